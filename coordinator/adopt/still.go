package adopt

import (
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Still tells whether the group runs as it did when it was marked: each instance
// under the same unit at the same address, nothing refused, and one master, which it
// gives. A failover in between is no difference.
func Still(w fleet.World, g fleet.GroupSpec, marks fleet.Adoption) (master fleet.AdoptedInstance, ok bool) {
	// The group is in the spec by now; what is asked is whether it is as it was found.
	w.Spec = nil
	f := Find(w, Ask{Fleet: "any", Group: g.Name, MasterName: g.Sentinel.MasterName})
	if len(f.Refused) > 0 || len(f.Instances) != len(marks.Instances) {
		return master, false
	}
	for _, i := range marks.Instances {
		at := slices.IndexFunc(f.Adoption.Instances, func(now fleet.AdoptedInstance) bool { return now == i })
		if at < 0 {
			return master, false
		}
		if f.Instances[at].Role == fleet.RoleMaster {
			master, ok = i, true
		}
	}
	return master, ok
}
