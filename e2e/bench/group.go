package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// masterName is the same on both sides.
const masterName = "main"

// group is a running Sentinel group, whoever built it, as a client sees it.
type group struct {
	// master is the name under which the sentinels watch it.
	master    string
	servers   []*redis.Server
	sentinels []*redis.SentinelClient
}

// dialGroup prepares clients of nodes 1 to n; host gives a node's address.
func dialGroup(n int, password string, host func(node int) string) *group {
	return dialPorts(masterName, n, password, host, 0)
}

// dialPorts is dialGroup for a group whose ports lie so far above the usual ones.
func dialPorts(master string, n int, password string, host func(node int) string, above int) *group {
	g := &group{master: master}
	for node := 1; node <= n; node++ {
		g.servers = append(g.servers, redis.Dial(fleet.Addr{Host: host(node), Port: fleet.DefaultPort + above}, password))
		g.sentinels = append(g.sentinels,
			redis.DialSentinel(fleet.Addr{Host: host(node), Port: fleet.DefaultSentinelPort + above}, password))
	}
	return g
}

func (g *group) close() {
	for i := range g.servers {
		_ = g.servers[i].Close()
		_ = g.sentinels[i].Close()
	}
}

// awaitWhole waits until the group stands as it did after its bring-up, and gives
// the number of the master's node.
func (g *group) awaitWhole(ctx context.Context) (master int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	err = poll(ctx, 100*time.Millisecond, "the group is whole", func() error {
		master, err = g.whole(ctx)
		return err
	})
	return master, err
}

// whole: one master, all others in sync with it, and every sentinel reaches all of
// it and could promote a replica. It need not be each replica: the one that came
// back last waits up to 10 s for the sentinels' next INFO.
func (g *group) whole(ctx context.Context) (master int, err error) {
	for i, s := range g.servers {
		role, err := s.Role(ctx)
		switch {
		case err != nil:
			return 0, err
		case role.Role == fleet.RoleMaster && master != 0:
			return 0, fmt.Errorf("nodes %d and %d are masters", master, i+1)
		case role.Role == fleet.RoleMaster:
			master = i + 1
		case role.LinkState != "connected":
			return 0, fmt.Errorf("node %d: link %s", i+1, role.LinkState)
		}
	}
	if master == 0 {
		return 0, fmt.Errorf("no master")
	}
	for i := range g.sentinels {
		if err := g.seenBy(ctx, i, g.servers[master-1].Addr()); err != nil {
			return 0, fmt.Errorf("sentinel of node %d: %w", i+1, err)
		}
	}
	return master, nil
}

func (g *group) seenBy(ctx context.Context, i int, master fleet.Addr) error {
	view, err := g.sentinels[i].Observe(ctx, g.master, true)
	if err != nil {
		return err
	}
	r := view.Report
	others := len(g.servers) - 1
	switch {
	case r.Master != master:
		return fmt.Errorf("it names %s, not %s", r.Master, master)
	case view.Master.FailoverState != "" && view.Master.FailoverState != "none":
		return fmt.Errorf("failover: %s", view.Master.FailoverState)
	case len(r.Replicas) != others, len(r.Peers) != others:
		return fmt.Errorf("%d replicas and %d peers of %d", len(r.Replicas), len(r.Peers), others)
	case r.CKQuorum != "":
		return fmt.Errorf("%s", r.CKQuorum)
	case r.Tilt:
		return fmt.Errorf("TILT")
	}
	promotable := 0
	for _, replica := range r.Replicas {
		if !replica.Reached || strings.Contains(replica.Flags, "down") || strings.Contains(replica.Flags, "disconnected") {
			return fmt.Errorf("replica %s is not reached: %s", replica.Addr, replica.Flags)
		}
		if replica.Promotable {
			promotable++
		}
	}
	if promotable == 0 {
		return fmt.Errorf("no replica can be promoted")
	}
	for _, peer := range r.Peers {
		if !peer.Reached {
			return fmt.Errorf("peer %s is not reached: %s", peer.Addr, peer.Flags)
		}
	}
	return nil
}

// freshPing waits for the moment in which a sentinel of another node has just had
// an answer to its PING of the master. Down-after counts from the last answer, up
// to a second ago: a kill at any moment would add that much noise to either side.
func (g *group) freshPing(ctx context.Context, master int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	sentinel := g.sentinels[master%len(g.sentinels)] // of the node after the master's
	return poll(ctx, 5*time.Millisecond, "the master answers a PING", func() error {
		seen, err := sentinel.Master(ctx, g.master)
		if err != nil {
			return err
		}
		if seen.PingPending > 0 || seen.LastAnswer > 30*time.Millisecond {
			return fmt.Errorf("last answer %s ago", seen.LastAnswer)
		}
		return nil
	})
}

// downAfter is the setting that a sentinel really works with.
func (g *group) downAfter(ctx context.Context) (time.Duration, error) {
	seen, err := g.sentinels[0].Master(ctx, g.master)
	return seen.DownAfter, err
}

// firstWrite tries a write on each server but the dead one every 10 ms and gives
// how long after began the first one was taken.
func (g *group) firstWrite(ctx context.Context, dead int, began time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	err := poll(ctx, 10*time.Millisecond, "a new master takes a write", func() error {
		var last error
		for i, s := range g.servers {
			if i+1 == dead {
				continue
			}
			if last = s.Set(ctx, "bench:failover", "x"); last == nil {
				return nil
			}
		}
		return last
	})
	return time.Since(began), err
}
