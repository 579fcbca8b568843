package assess

import (
	"github.com/redfleet/redfleet/internal/fleet"
)

// standing gives a group that served with the members that it has. The spec can say
// otherwise: an operator's request writes it at once, and can wait long until it may
// begin, for another master or for a majority, or be refused in the end.
func standing(w fleet.World, g fleet.GroupSpec) fleet.GroupSpec {
	rec, recorded := w.Groups[g.Name]
	if !recorded || rec.Phase != fleet.PhaseServing {
		return g
	}
	if m := rec.Members; m != nil && len(m.Servers) > 0 {
		g.Nodes = m.Servers
		if g.Topology == fleet.Sentinel {
			g.Sentinel.Nodes, g.Sentinel.Quorum = m.Sentinels, m.Quorum
		}
		return g
	}
	for _, node := range sortedKeys(w.Goals) {
		for _, inst := range w.Goals[node].Instances {
			if inst.GroupID != rec.ID || inst.Group != g.Name || inst.Assigned != fleet.Running || len(inst.Servers) == 0 {
				continue
			}
			g.Nodes = nodeNames(inst.Servers)
			if inst.Monitor != nil && g.Topology == fleet.Sentinel {
				g.Sentinel.Nodes, g.Sentinel.Quorum = nodeNames(inst.Sentinels), inst.Monitor.Quorum
			}
			return g
		}
	}
	return g
}

func nodeNames(members []fleet.Member) []string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.Node
	}
	return out
}
