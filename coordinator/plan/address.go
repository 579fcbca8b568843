package plan

import (
	"slices"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/coordinator/elect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// hostOf is what a node announces; one that does not report now is taken from the goals
// that stand. So is one that reports another address while the sentinels of its fellows
// still reach what runs at the old one: then a second machine has the node's name, as can
// be when Consul has lost who had it (hazard M4), and goals that followed its report
// would lead the group's servers away from one that serves. A machine that was replaced
// or has moved is down at its old address, and is followed.
func hostOf(w fleet.World, g fleet.GroupSpec, node string) string {
	stands := standingHost(w, g, node)
	r := w.Reports[node].Report
	if r.Address == "" {
		return stands
	}
	told := elect.Announced(g, r, g.Port).Host
	if stands != "" && stands != told && reached(w, g, node, stands) {
		return stands
	}
	return told
}

// standingHost is where the goals that stand have a node; empty where they do not name it.
func standingHost(w fleet.World, g fleet.GroupSpec, node string) string {
	for _, of := range nodes(w.Goals) {
		for _, inst := range w.Goals[of].Instances {
			if inst.Group != g.Name || inst.Assigned != fleet.Running {
				continue
			}
			if m, ok := inst.Server(node); ok {
				return m.Addr.Host
			}
			if m, ok := inst.SentinelOn(node); ok {
				return m.Addr.Host
			}
		}
	}
	return ""
}

// reached: a sentinel of the group on another node, whose agent lives, counts an
// instance at this host as up.
func reached(w fleet.World, g fleet.GroupSpec, node, host string) bool {
	for other, r := range w.Reports {
		if other == node || !r.Alive {
			continue
		}
		for _, i := range r.Report.Instances {
			if i.Group != g.Name || i.Sentinel == nil || i.State != fleet.Running {
				continue
			}
			seen := append(slices.Clone(i.Sentinel.Peers), i.Sentinel.Replicas...)
			seen = append(seen, fleet.SeenInstance{Addr: i.Sentinel.Master, Flags: i.Sentinel.MasterFlags})
			if slices.ContainsFunc(seen, func(s fleet.SeenInstance) bool { return s.Addr.Host == host && assess.Reached(s.Flags) }) {
				return true
			}
		}
	}
	return false
}
