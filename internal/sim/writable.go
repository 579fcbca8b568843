package sim

import (
	"context"
	"slices"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// twoMasters is how long two servers of the group may take writes at once where no
// network is cut and nothing is frozen: an old master that starts again is a replica
// before it takes a write. It is what a look takes, twice.
const twoMasters = 2 * lookForMasters

const lookForMasters = 50*time.Millisecond + 17*time.Nanosecond

// watchMasters looks for two servers that take writes at once (docs/guarantees.md,
// "Two masters"), in runs in which nothing but an end, a start or Consul explains it:
// a cut, a freeze, a second opinion of an operator's and a disk that cannot be written
// leave the sentinels with two for as long as that page says. So does an operator's
// SENTINEL FAILOVER by hand, which ends the watch (mendOvertaken), and a sentinel that
// ended before it announced its promotion: that server does not count (unannounced).
func (w *World) watchMasters(ctx context.Context) {
	if !w.schedule.oneMaster() {
		return
	}
	w.waits.Go(func() {
		var l lookout
		for ctx.Err() == nil {
			pause(ctx, lookForMasters)
			masters := slices.DeleteFunc(w.takesWrites(), w.promotedUnannounced)
			if w.overtaken.Load() {
				return
			}
			if l.tooLong(w.now(), masters) {
				w.fail("two-masters", "%v take writes at once for more than %v", masters, twoMasters)
				return
			}
		}
	})
}

func (w *World) promotedUnannounced(name string) bool {
	return slices.ContainsFunc(w.nodes, func(n *node) bool {
		return n.name == name && w.unannounced.has(fleet.Addr{Host: n.host, Port: 6379})
	})
}

// lookout is since when two are seen; 0 where there is one at most.
type lookout struct{ since time.Duration }

// tooLong takes one look.
func (l *lookout) tooLong(now time.Duration, masters []string) bool {
	switch {
	case len(masters) < 2:
		l.since = 0
	case l.since == 0:
		l.since = now
	}
	return l.since > 0 && now-l.since > twoMasters
}

// takesWrites are the nodes whose servers of group "main" are masters with all their
// data loaded.
func (w *World) takesWrites() []string {
	var out []string
	for _, n := range w.nodes {
		p := w.systemd[n.host].find("redis-main")
		if p == nil {
			continue
		}
		if p.TakesWrites() {
			out = append(out, n.name)
		}
	}
	return out
}

// split are the faults that can leave two masters for a while, as with any Sentinel.
var split = []Kind{
	Cut, CutOneWay, Isolate, Slow, FreezeRedis, FreezeHost, ReadOnly, LoseData, LoseDisk, PowerOffAll, Duplicate, RemoveNode, ReplaceNode,
}

// oneMaster: nothing in the schedule explains two masters.
func (s Schedule) oneMaster() bool {
	return !slices.ContainsFunc(s.Events, func(e Event) bool { return slices.Contains(split, e.Kind) })
}
