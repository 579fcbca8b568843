package agent

import (
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// recovery is what the agent offers to a Consul without a control record; nil
// where there is one, where Consul did not say so (silence proves nothing, hazard
// K5), and where the agent never followed a goal. A secret that cannot be read
// from the disk is left out: another node of its group may have it.
func (a *agent) recovery() *fleet.Recovery {
	if a.goal == nil || a.node.FleetID == "" || !a.offers.get().controlGone {
		return nil
	}
	r := &fleet.Recovery{
		Format: fleet.Format, Node: a.cfg.Node, Agent: a.node.Agent,
		FleetID: a.node.FleetID, Epoch: a.node.Epoch, Goal: *a.goal,
	}
	var groups []string
	for _, g := range a.goal.Instances {
		if slices.Contains(groups, g.Group) {
			continue
		}
		groups = append(groups, g.Group)
		if sec, found, err := a.store.Secret(g.Group); err == nil && found && sec.GroupID == g.GroupID {
			r.Secrets = append(r.Secrets, sec)
		}
	}
	return r
}
