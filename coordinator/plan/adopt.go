package plan

import (
	"fmt"

	"github.com/redfleet/redfleet/coordinator/adopt"
	"github.com/redfleet/redfleet/internal/fleet"
)

// ruleAdopted is the rule of a decision that was none: the master ran before redfleet
// came, and Sentinel alone decides about it (promise sentinel-owns-master).
const ruleAdopted = "adopted"

// adoptGroup makes the record of a group that the operator has marked to be taken
// over as it runs. What he was shown is looked at once more: where it is not the same
// any more nothing is made, and the next reports are waited for. There is no election,
// now or later, since the record is there (promise one-election).
func adoptGroup(w fleet.World, g fleet.GroupSpec, marks fleet.Adoption, mint Mint, p *Plan) (fleet.Group, bool) {
	master, ok := adopt.Still(w, g, marks)
	if !ok {
		return fleet.Group{}, false
	}
	d := fleet.Decision{Master: master.Addr, Node: master.Node, Rule: ruleAdopted,
		Reason: fmt.Sprintf("it ran as the master when the group was adopted, under %s", master.From.Unit)}
	rec := fleet.Group{
		Format: fleet.Format, ID: mint(), Name: g.Name, Topology: g.Topology, Decision: d,
		Phase: fleet.PhaseServing, Since: w.Now, CredentialsVersion: 1, Adopted: &marks,
	}
	p.Create = append(p.Create, rec)
	p.Events = append(p.Events, fleet.Event{At: w.Now, Group: g.Name, Node: d.Node,
		What: fmt.Sprintf("group %s is adopted with %d instances as they run", g.Name, len(marks.Instances)), Why: d.Reason})
	return rec, true
}
