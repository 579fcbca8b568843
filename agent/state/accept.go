package state

import (
	"fmt"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Verdict on a goal that stands in Consul.
type Verdict int

// The verdicts.
const (
	// Take: the goal counts and is followed.
	Take Verdict = iota
	// Wait: its plan is not committed yet; the last goal goes on.
	Wait
	// Refuse: it must not be followed; the last goal goes on, and the reason is
	// reported.
	Refuse
)

// Judge tells whether a node may follow a goal. The rules are those of
// docs/design.md, "The spine": a goal counts once its plan is committed, never
// goes back in epochs, and belongs to the fleet that the node knows (K8).
func Judge(node string, n Node, control fleet.Control, g fleet.Goal) (Verdict, string) {
	switch {
	case g.Node != node:
		return Refuse, fmt.Sprintf("the goal is for node %q, this is %q", g.Node, node)
	case control.FleetID == "":
		return Wait, "no plan is committed yet"
	case n.FleetID != "" && control.FleetID != n.FleetID:
		return Refuse, fmt.Sprintf("Consul holds fleet %s, this node belongs to fleet %s: another fleet uses this prefix, or Consul was rebuilt; nothing is changed here", control.FleetID, n.FleetID)
	case g.FleetID != control.FleetID:
		return Refuse, fmt.Sprintf("the goal is of fleet %s, the control record of fleet %s", g.FleetID, control.FleetID)
	case g.Epoch > control.Committed:
		return Wait, fmt.Sprintf("goal %d waits for its plan to be committed (%d is)", g.Epoch, control.Committed)
	case g.Epoch < n.Epoch:
		return Refuse, fmt.Sprintf("goal %d is older than goal %d, which this node follows: Consul was restored from an older snapshot; nothing is changed here", g.Epoch, n.Epoch)
	}
	return Take, ""
}
