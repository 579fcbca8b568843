package rebuild

import (
	"cmp"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// adoption finds in the goals how a group was adopted; nil for any other. Without it
// an instance that has not moved yet would be asked for where it is not, and sentinels
// under ids that are not theirs.
func adoption(goals []fleet.Goal, group string) *fleet.Adoption {
	var a fleet.Adoption
	for _, goal := range goals {
		for i := range goal.Instances {
			g := &goal.Instances[i]
			if g.Group != group || g.Adopted == nil {
				continue
			}
			was := fleet.AdoptedInstance{Node: goal.Node, Kind: g.Kind, Addr: g.Addr, From: *g.Adopted}
			if m, ok := g.SentinelOn(goal.Node); ok && g.Kind == fleet.KindSentinel {
				was.MyID = m.ID
			}
			a.Instances = append(a.Instances, was)
		}
	}
	if len(a.Instances) == 0 {
		return nil
	}
	slices.SortFunc(a.Instances, func(x, y fleet.AdoptedInstance) int {
		return cmp.Or(cmp.Compare(x.Node, y.Node), cmp.Compare(x.Kind, y.Kind))
	})
	return &a
}
