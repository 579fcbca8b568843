package plan

import (
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// withMembers puts the members of a group that was changed in the place of those
// that it was made with.
func withMembers(g fleet.GroupSpec, m *fleet.Membership) fleet.GroupSpec {
	if m == nil || len(m.Servers) == 0 {
		return g
	}
	g.Nodes = slices.Clone(m.Servers)
	if g.Topology == fleet.Sentinel {
		g.Sentinel.Nodes, g.Sentinel.Quorum = slices.Clone(m.Sentinels), m.Quorum
	}
	return g
}

// forgetOf is the token for the sentinel on a node; empty for all but the one
// whose turn it is (hazard S5).
func forgetOf(rec fleet.Group, node string) string {
	if rec.Members == nil || rec.Members.Forget == nil || rec.Members.Forget.Node != node {
		return ""
	}
	return rec.Members.Forget.Token
}

// addRetired tells each node that left the group that its instances are to stay
// down. It is told for good: a machine that comes back after a year would else go
// on as the member that it was, and be a ghost among the sentinels (hazard S4).
func addRetired(goals map[string]*fleet.Goal, w fleet.World, rec fleet.Group) {
	if rec.Members == nil {
		return
	}
	for _, node := range rec.Members.Retired {
		for _, inst := range w.Goals[node].Instances {
			if inst.GroupID == rec.ID && inst.Group == rec.Name {
				inst.Assigned, inst.Forget, inst.Seed = fleet.Held, "", nil
				add(goals, node, inst)
			}
		}
	}
}
