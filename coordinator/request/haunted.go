package request

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// haunted makes a request of the coordinator's own where the sentinels know a node
// again that left the group: its machine came back and ran, while its agent could not
// reach Consul, what it ran before. It was stopped since, or will be, and is to be
// forgotten once more (hazard S4). In a group whose records were rebuilt it can be one
// of which no record tells that it left.
func haunted(w fleet.World) (Step, bool) {
	for _, g := range w.Spec.Spec.Groups {
		rec := w.Groups[g.Name]
		if rec.Members == nil || rec.Phase != fleet.PhaseServing {
			continue
		}
		known := ghosts(w, g)
		for _, node := range rec.Members.Retired {
			for _, inst := range w.Goals[node].Instances {
				if inst.GroupID == rec.ID && slices.Contains(known, inst.Addr) {
					return forgetAgain(w, g.Name, node, inst.Addr, node+" came back and is to be forgotten again")
				}
			}
		}
		if addr, ok := unrecorded(w, g, rec); ok {
			return forgetAgain(w, g.Name, addr.Host, addr, "what left before the records were rebuilt is to be forgotten")
		}
	}
	return Step{}, false
}

// forgetAgain is the request, from where its sentinels forget.
func forgetAgain(w fleet.World, group, node string, addr fleet.Addr, what string) (Step, bool) {
	m := w.Groups[group].Members
	r := fleet.Request{Format: fleet.Format, ID: fmt.Sprintf("%s-%d", m.Request, m.Forgets),
		Kind: fleet.RequestReplace, By: "coordinator", At: w.Now, Node: node, Groups: []string{group},
		Phase: fleet.RequestForgetting, Since: w.Now}
	return Step{Requests: []fleet.Request{r}, Events: []fleet.Event{event(w, group, r, what,
		"the sentinels know "+addr.String()+", which is no member any more")}}, true
}

// unrecorded finds an instance that is no member of a group whose records were
// rebuilt, and is down for every sentinel that knows it. One that answers is left to
// the operator: nobody knows what it is.
func unrecorded(w fleet.World, g fleet.GroupSpec, rec fleet.Group) (fleet.Addr, bool) {
	c, ok := circleOf(w, g.Name)
	if !ok || !rec.Members.Rebuilt {
		return fleet.Addr{}, false
	}
	var found []fleet.Addr
	for _, s := range c.sentinels {
		for _, e := range c.foreign(s) {
			if !down(e.Flags) {
				return fleet.Addr{}, false
			}
			found = append(found, e.Addr)
		}
	}
	if len(found) == 0 {
		return fleet.Addr{}, false
	}
	return found[0], true
}
