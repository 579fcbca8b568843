package sim

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// unwrittenFor is how long an operator looks at status before he does something.
const unwrittenFor = 20 * time.Second

// flushUnwritten does what status and docs/operations.md say about rule data-wins, once
// for each node in a run, where nothing can be lost by it: group "more" has no clients, so
// what its servers hold is at most redfleet's own probe. A loss of power can take the
// probe's deletion from one disk and the probe with it from another: the master is empty
// then and of a new lineage, and a replica that holds it is not wiped before somebody has
// looked (simulation, seed 2090). Without a loss of power that is no excuse.
func (w *World) flushUnwritten(says string) {
	name := heldWithData(says)
	if name == "" || w.now() < w.schedule.end()+unwrittenFor || !w.schedule.losesPower() {
		return
	}
	for _, n := range w.nodes {
		if n.name != name || slices.Contains(w.flushed, name) {
			continue
		}
		w.flushed = append(w.flushed, name)
		for _, file := range []string{"dump.rdb", "appendonlydir"} {
			if err := os.RemoveAll(filepath.Join(n.folder("redis-more-6380"), file)); err != nil {
				w.fail("simulation", "%v", err)
			}
		}
		w.trace("operator", "group more was never written to, and its master is empty; flushes %s", name)
		w.cover.rule("held with the probe alone, flushed by hand")
	}
}

// heldWithData gives the node whose server of group "more" status names as held since its
// master is empty; empty where it says no such thing.
func heldWithData(says string) string {
	_, tail, found := strings.Cut(says, "redis-more-6380 on ")
	node, why, held := strings.Cut(tail, " is held (its master would be ")
	if !strings.HasPrefix(says, "group more is ") || !found || !held || strings.Contains(node, " ") ||
		!strings.Contains(why, "which is empty and of another lineage, while this node holds data") {
		return ""
	}
	return node
}

// losesPower: a machine loses its power in the schedule.
func (s Schedule) losesPower() bool {
	return slices.ContainsFunc(s.Events, func(e Event) bool {
		return slices.Contains([]Kind{PowerOff, PowerOffAll, LoseData, LoseDisk}, e.Kind)
	})
}
