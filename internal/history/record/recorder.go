package record

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/redfleet/redfleet/internal/history"
)

// Options say which group is recorded, and how. The zero value of each of the last
// part means its default.
type Options struct {
	// Group is the group's name, MasterName what its sentinels call it; the same
	// where it is empty.
	Group, MasterName string
	// Durability is put down for the reader.
	Durability string
	// Servers are the addresses (host:port) of the group's servers by node, Sentinels
	// those of its sentinels.
	Servers   map[string]string
	Sentinels []string
	// Password is the group's. It is nowhere in the history. OpenSentinels: the
	// sentinels ask for none.
	Password      string
	OpenSentinels bool
	// Dial makes connections; nil for the usual way.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Epoch is when the history's time begins; now, where it is zero. Recorders of
	// one history share it.
	Epoch time.Time

	// Prefix begins the name of each key, "redfleet-history" where it is empty.
	Prefix string
	// Writers is how many clients write without WAIT (1), WaitWriters how many wait
	// for all replicas after each write (none), for WaitLimit (500 ms).
	Writers, WaitWriters int
	WaitLimit            time.Duration
	// WritePause is between two writes of a client (10 ms), ProbePause between two
	// tries at one server (25 ms), ReadPause between two reads (100 ms).
	WritePause, ProbePause, ReadPause time.Duration
	// Limit is how long one call may take (500 ms).
	Limit time.Duration
	// Life is after how long without a write the numbers go by themselves, should
	// nobody come to Clean; 0 for never.
	Life time.Duration
}

func (o *Options) defaults() error {
	if len(o.Servers) == 0 || len(o.Sentinels) == 0 || o.Group == "" {
		return errors.New("a recording needs a group's name, its servers and its sentinels")
	}
	if o.MasterName == "" {
		o.MasterName = o.Group
	}
	if o.Prefix == "" {
		o.Prefix = "redfleet-history"
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Epoch.IsZero() {
		o.Epoch = time.Now()
	}
	if o.Writers == 0 && o.WaitWriters == 0 {
		o.Writers = 1
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&o.WaitLimit, 500 * time.Millisecond}, {&o.WritePause, 10 * time.Millisecond}, {&o.ProbePause, 25 * time.Millisecond},
		{&o.ReadPause, 100 * time.Millisecond}, {&o.Limit, 500 * time.Millisecond}} {
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	return nil
}

// Recorder records until Stop.
type Recorder struct {
	o       Options
	names   map[string]string          // of nodes, by their server's address
	servers map[string]*goredis.Client // by node, for looks
	writers []history.Writer

	cancel context.CancelFunc
	all    sync.WaitGroup

	mu           sync.Mutex
	group        history.Group
	acknowledged int
	last         time.Duration
	failed       []time.Duration // the starts of failed writes
}

// Start begins to record. The recorder goes on when the group does not answer, or
// ctx ends; Stop must follow. go-redis's own log ends in this process: it would say
// each error again that is recorded here.
func Start(ctx context.Context, o Options) (*Recorder, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	logging.Disable()
	ctx, cancel := context.WithCancel(ctx)
	r := &Recorder{o: o, cancel: cancel, names: map[string]string{}, servers: map[string]*goredis.Client{},
		group: history.Group{Name: o.Group, Durability: o.Durability}}
	for node, address := range o.Servers {
		r.names[address] = node
		r.servers[node] = r.direct(address)
	}
	for i := range o.Writers {
		r.writers = append(r.writers, history.Writer{Name: fmt.Sprintf("plain%d", i+1)})
	}
	for i := range o.WaitWriters {
		r.writers = append(r.writers, history.Writer{Name: fmt.Sprintf("wait%d", i+1), Wait: len(o.Servers) - 1})
	}
	r.group.Writers = r.writers
	for _, w := range r.writers {
		r.all.Go(func() { r.write(ctx, w) })
	}
	r.all.Go(func() { r.readMaster(ctx) })
	for _, node := range slices.Sorted(maps.Keys(o.Servers)) {
		r.all.Go(func() { r.probe(ctx, node) })
		r.all.Go(func() { r.readServer(ctx, node) })
	}
	return r, nil
}

// Stop ends all clients and returns what they saw; a second call returns the same.
func (r *Recorder) Stop() history.Group {
	r.cancel()
	r.all.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.group
}

// Acknowledged is how many writes have been so far, and when the last one was.
func (r *Recorder) Acknowledged() (count int, last time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.acknowledged, r.last
}

// FailedSince tells whether a write has failed that began after a time, and when the
// first of them did.
func (r *Recorder) FailedSince(after time.Duration) (first time.Duration, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, start := range r.failed {
		if start >= after && (!failed || start < first) {
			first, failed = start, true
		}
	}
	return first, failed
}

// Now is the history's time.
func (r *Recorder) Now() time.Duration { return r.now() }

// now is the history's time.
func (r *Recorder) now() time.Duration { return time.Since(r.o.Epoch) }

// list and probeKey are the names of the keys.
func (r *Recorder) list(writer string) string { return r.o.Prefix + ":" + r.o.Group + ":" + writer }

func (r *Recorder) probeKey() string { return r.o.Prefix + ":" + r.o.Group + ":probe" }

// direct is a client of one server, with one connection and no retry.
func (r *Recorder) direct(address string) *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: address, Password: r.o.Password, Dialer: r.dial,
		DialTimeout: r.o.Limit, ReadTimeout: r.o.Limit, WriteTimeout: r.o.Limit,
		Protocol: 2, DisableIdentity: true, PoolSize: 1, PipelinePoolSize: -1, MaxRetries: -1, DialerRetries: 1})
}

// every calls do with a pause between, until ctx ends. A call that takes longer than
// the pause is followed by the next one at once.
func every(ctx context.Context, pause time.Duration, do func()) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}
