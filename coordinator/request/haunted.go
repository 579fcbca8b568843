package request

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// haunted makes a request of the coordinator's own where the sentinels know a node
// again that left the group: its machine came back and ran, while its agent could not
// reach Consul, what it ran before. It was stopped since, or will be, and is to be
// forgotten once more (hazard S4).
func haunted(w fleet.World) (Step, bool) {
	for _, g := range w.Spec.Spec.Groups {
		rec := w.Groups[g.Name]
		if rec.Members == nil || rec.Phase != fleet.PhaseServing {
			continue
		}
		known := ghosts(w, g)
		for _, node := range rec.Members.Retired {
			for _, inst := range w.Goals[node].Instances {
				if inst.GroupID != rec.ID || !slices.Contains(known, inst.Addr) {
					continue
				}
				r := fleet.Request{Format: fleet.Format, ID: fmt.Sprintf("%s-%d", rec.Members.Request, rec.Members.Forgets),
					Kind: fleet.RequestReplace, By: "coordinator", At: w.Now, Node: node, Groups: []string{g.Name},
					Phase: fleet.RequestForgetting, Since: w.Now}
				return Step{Requests: []fleet.Request{r}, Events: []fleet.Event{event(w, g.Name, r,
					node+" came back and is to be forgotten again", "the sentinels know "+inst.Addr.String()+", which is no member any more")}}, true
			}
		}
	}
	return Step{}, false
}
