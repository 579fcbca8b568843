package sim

import (
	"context"
	"strings"
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
// all else.
func (w *World) mendOvertaken(ctx context.Context) {
	if w.overtaken || w.schedule.oneMaster() || w.now() < w.schedule.end()+overtakenFor {
		return // where nothing explains two masters, nothing explains two failovers either
	}
	right, found := w.beside(ctx)
	if !found {
		return
	}
	w.overtaken = true
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	replies, err := w.clients.talk(ctx, right.String(), "SENTINEL FAILOVER main")
	w.trace("operator", "a failover was overtaken by another (S22); asks %s for the next: %v %v", right, replies, err)
	w.cover.rule("overtaken failover (S22)")
}

// beside gives a sentinel that names the master, where another one names a replica
// under the same epoch and neither has a failover under way.
func (w *World) beside(ctx context.Context) (right fleet.Addr, found bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	via, password := redis.Network{Dialer: dialer{w}}, w.clients.secret()
	roles, views := map[fleet.Addr]fleet.Role{}, map[fleet.Addr]redis.View{}
	for _, n := range w.members() {
		at := fleet.Addr{Host: n.host, Port: 6379}
		server := via.Server(at, password)
		info, err := server.Observe(ctx)
		_ = server.Close()
		if err != nil {
			return fleet.Addr{}, false
		}
		roles[at] = info.Role
		at.Port = 26379
		sentinel := via.Sentinel(at, password)
		views[at], err = sentinel.Observe(ctx, "main", false)
		_ = sentinel.Close()
		if err != nil || strings.Contains(views[at].Report.MasterFlags, "failover") {
			return fleet.Addr{}, false
		}
	}
	for _, n := range w.members() {
		at := fleet.Addr{Host: n.host, Port: 26379}
		if roles[views[at].Report.Master] == fleet.RoleMaster {
			right = at
			break
		}
	}
	for _, v := range views {
		if roles[v.Report.Master] == fleet.RoleReplica && v.Report.ConfigEpoch == views[right].Report.ConfigEpoch {
			found = true
		}
	}
	return right, found && right != fleet.Addr{}
}
