package record

import (
	"context"
	"net"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/internal/history"
)

// through is a client that finds the master by the sentinels, with one connection at
// a time, so that the server of a call is the one that was dialled last.
type through struct {
	*goredis.Client
	mu   sync.Mutex
	node string // of the last server that was dialled; empty for none
}

func (r *Recorder) through() *through {
	t := &through{}
	sentinels := r.o.Password
	if r.o.OpenSentinels {
		sentinels = ""
	}
	t.Client = goredis.NewFailoverClient(&goredis.FailoverOptions{
		MasterName: r.o.MasterName, SentinelAddrs: r.o.Sentinels, SentinelPassword: sentinels, Password: r.o.Password,
		DialTimeout: r.o.Limit, ReadTimeout: r.o.Limit, WriteTimeout: r.o.Limit,
		Protocol: 2, DisableIdentity: true, PoolSize: 1, PipelinePoolSize: -1, MaxRetries: -1, DialerRetries: 1,
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := r.dial(ctx, network, address)
			if node, is := r.names[address]; is {
				t.mu.Lock()
				t.node = node
				t.mu.Unlock()
			}
			return conn, err
		},
	})
	return t
}

func (t *through) server() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.node
}

// write writes one number after the other.
func (r *Recorder) write(ctx context.Context, w history.Writer) {
	client := r.through()
	defer func() { _ = client.Close() }()
	seq := 0
	every(ctx, r.o.WritePause, func() {
		// Not ended by ctx: a write that is cut off tells nothing.
		entry := r.writeOne(context.WithoutCancel(ctx), client, w, seq)
		seq++
		r.mu.Lock()
		defer r.mu.Unlock()
		r.group.Writes = append(r.group.Writes, entry)
		if entry.Acknowledged() {
			r.acknowledged, r.last = r.acknowledged+1, max(r.last, entry.End)
		} else {
			r.failed = append(r.failed, entry.Start)
		}
	})
}

func (r *Recorder) writeOne(ctx context.Context, client *through, w history.Writer, seq int) history.Write {
	entry := history.Write{Writer: w.Name, Seq: seq, Start: r.now()}
	var push *goredis.IntCmd
	var wait *goredis.Cmd
	_, err := client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		push = p.RPush(ctx, r.list(w.Name), seq)
		if r.o.Life > 0 {
			p.Expire(ctx, r.list(w.Name), r.o.Life)
		}
		if w.Wait > 0 { // on the same connection, which is what WAIT counts for
			wait = p.Do(ctx, "WAIT", w.Wait, r.o.WaitLimit.Milliseconds()/2)
		}
		return nil
	})
	entry.End, entry.Node = r.now(), client.server()
	entry.Class = outcome(push.Err(), push.Val() > 0, err)
	if err == nil && wait != nil {
		entry.Waited, _ = wait.Int()
	}
	return entry
}
