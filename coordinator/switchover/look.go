package switchover

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/switchover"
)

// lookIn is how long one look waits for an instance; what is frozen holds up all.
const lookIn = 400 * time.Millisecond

// eyes are the connections by which the group is looked at.
type eyes struct {
	target    drill.Target
	servers   []*redis.Server
	sentinels []*redis.SentinelClient
}

func open(t drill.Target, password secret.Password) *eyes {
	e := &eyes{target: t}
	for _, m := range t.Servers {
		e.servers = append(e.servers, redis.Dial(m.Addr, password.Reveal()))
	}
	for _, m := range t.Sentinels {
		e.sentinels = append(e.sentinels, DialSentinel(t, m.Addr, password))
	}
	return e
}

// DialSentinel is a client of one of the group's sentinels.
func DialSentinel(t drill.Target, at fleet.Addr, password secret.Password) *redis.SentinelClient {
	return redis.DialSentinel(at, sentinelWord(t, password))
}

// sentinelWord is the password that the group's sentinels ask for.
func sentinelWord(t drill.Target, password secret.Password) string {
	if t.Open {
		return ""
	}
	return password.Reveal()
}

func (e *eyes) close() {
	for _, c := range e.servers {
		_ = c.Close()
	}
	for _, c := range e.sentinels {
		_ = c.Close()
	}
}

// of is the connection to a server of the group.
func (e *eyes) of(addr fleet.Addr) *redis.Server {
	for i, m := range e.target.Servers {
		if m.Addr == addr {
			return e.servers[i]
		}
	}
	return nil
}

// look asks all of them at once. It changes nothing.
func (e *eyes) look(ctx context.Context) ([]switchover.Server, []switchover.Sentinel) {
	ctx, cancel := context.WithTimeout(ctx, lookIn)
	defer cancel()
	servers := make([]switchover.Server, len(e.servers))
	sentinels := make([]switchover.Sentinel, len(e.sentinels))
	var all sync.WaitGroup
	for i, c := range e.servers {
		all.Go(func() { servers[i] = server(ctx, e.target.Servers[i], c) })
	}
	for i, c := range e.sentinels {
		all.Go(func() {
			sentinels[i] = switchover.Sentinel{Member: e.target.Sentinels[i]}
			v, err := c.Observe(ctx, e.target.MasterName, false)
			if err != nil {
				sentinels[i].Error = err.Error()
				return
			}
			sentinels[i].Report = v.Report
		})
	}
	all.Wait()
	return servers, sentinels
}

func server(ctx context.Context, m fleet.Member, c *redis.Server) switchover.Server {
	in, err := c.Observe(ctx)
	switch {
	case err != nil:
		return switchover.Server{Member: m, Error: err.Error(), Gone: errors.Is(err, syscall.ECONNREFUSED)}
	case in.Loading:
		return switchover.Server{Member: m, Error: "it loads its data"}
	}
	return switchover.Server{Member: m, Role: in.Role, Master: in.Master, LinkUp: in.LinkUp, ReplID: in.ReplID, ReplID2: in.ReplID2,
		SecondOffset: in.SecondOffset, Offset: in.Offset, Priority: in.ReplicaPriority}
}
