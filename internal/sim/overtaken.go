package sim

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// overtakenFor is how long an operator looks at verify before he does something.
const overtakenFor = 20 * time.Second

// mendOvertaken does what an operator does about hazard S22, once in a run: a
// sentinel that led a failover has ended on the address of a server that is no
// master any more, under the epoch of the failover that overtook its own. Its peers
// say nothing newer, so nothing in the group mends it; verify names it, and the next
// failover, asked of a sentinel that is right, does. Whether it does is judged like
// all else. Where no cut and no freeze explains how two failovers met, they must have
// been seen to meet: the new master that is killed while the first one goes on is
// enough (seed 177).
func (w *World) mendOvertaken(ctx context.Context) {
	if w.overtaken.Load() || w.now() < w.schedule.end()+overtakenFor {
		return
	}
	right, wrong := w.beside(ctx)
	if len(wrong) == 0 || w.schedule.oneMaster() && !w.failovers.overtook(wrong) {
		return
	}
	w.overtaken.Store(true) // before the asking, which is no planned failover: nothing holds the old master's writes
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	replies, err := w.clients.talk(ctx, right.String(), "SENTINEL FAILOVER main")
	w.trace("operator", "a failover was overtaken by another (S22); asks %s for the next: %v %v", right, replies, err)
	w.cover.rule("overtaken failover (S22)")
}

// beside gives a sentinel that names the master, and those that name under the same
// epoch a server that says it is none, or does not answer; none where any has a failover
// under way. A node that lost its disk does not start while the two others name two
// masters (seed 557).
func (w *World) beside(ctx context.Context) (right fleet.Addr, wrong []fleet.Addr) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	via, password := redis.Network{Dialer: dialer{w}}, w.clients.secret()
	roles, views := map[fleet.Addr]fleet.Role{}, map[fleet.Addr]redis.View{}
	for _, n := range w.members() {
		at := fleet.Addr{Host: n.host, Port: 6379}
		server := via.Server(at, password)
		info, err := server.Observe(ctx)
		_ = server.Close()
		if err == nil {
			roles[at] = info.Role
		}
		at.Port = 26379
		sentinel := via.Sentinel(at, password)
		view, err := sentinel.Observe(ctx, "main", false)
		_ = sentinel.Close()
		switch {
		case err != nil:
		case strings.Contains(view.Report.MasterFlags, "failover"):
			return fleet.Addr{}, nil
		default:
			views[at] = view
		}
	}
	for _, n := range w.members() {
		at := fleet.Addr{Host: n.host, Port: 26379}
		if v, answers := views[at]; answers && roles[v.Report.Master] == fleet.RoleMaster {
			right = at
			break
		}
	}
	if right == (fleet.Addr{}) {
		return right, nil
	}
	for at, v := range views {
		if roles[v.Report.Master] != fleet.RoleMaster && v.Report.ConfigEpoch == views[right].Report.ConfigEpoch {
			wrong = append(wrong, at)
		}
	}
	return right, wrong
}

// failovers notes, from what the sentinels of group main tell, whose failover was
// overtaken: another one was elected while it was still at its own. The zero value
// is ready; it may be used from several goroutines.
type failovers struct {
	mu        sync.Mutex
	leads     map[string]bool
	overtaken map[string]bool
}

// told takes one event as Sentinel writes it to its log.
func (f *failovers) told(sentinel, event string) {
	name, of, _ := strings.Cut(event, " ")
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case name == "sentinel": // it starts anew, and leads nothing
		delete(f.leads, sentinel)
	case !strings.HasPrefix(of, "master main "):
	case name == "+elected-leader":
		if f.leads == nil {
			f.leads, f.overtaken = map[string]bool{}, map[string]bool{}
		}
		for other := range f.leads {
			f.overtaken[other] = other != sentinel || f.overtaken[other]
		}
		f.leads[sentinel] = true
	case name == "+failover-end", strings.HasPrefix(name, "-failover-abort"):
		delete(f.leads, sentinel)
	}
}

// overtook: each of them was overtaken.
func (f *failovers) overtook(sentinels []fleet.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !slices.ContainsFunc(sentinels, func(a fleet.Addr) bool { return !f.overtaken[a.String()] })
}
