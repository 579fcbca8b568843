package assess

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/coordinator/adopt"
	"github.com/redfleet/redfleet/internal/fleet"
)

// adopted tells how far an adopted group has moved; nil for any other.
func (v *view) adopted() *fleet.AdoptedStatus {
	if v.rec.Adopted == nil {
		return nil
	}
	st := &fleet.AdoptedStatus{Waiting: []fleet.AdoptedWaiting{}}
	for _, m := range slices.Concat(v.servers, v.sentinels) {
		was := v.rec.Adopted.Instance(m.node, m.kind)
		if was == nil {
			continue
		}
		st.Of++
		if m.inst != nil && m.inst.Moved {
			st.Moved++
			continue
		}
		st.Waiting = append(st.Waiting, fleet.AdoptedWaiting{Node: m.node, ID: m.id, Unit: was.From.Unit})
	}
	return st
}

// adopting is a group that the operator has marked and the coordinator has not taken
// up yet.
func (v *view) adopting(marks fleet.Adoption) (fleet.GroupState, string) {
	if _, ok := adopt.Still(v.w, v.g, marks); ok {
		return fleet.GroupForming, "it is about to be adopted as it runs."
	}
	w := v.w
	w.Spec = nil
	f := adopt.Find(w, adopt.Ask{Fleet: "any", Group: v.g.Name, MasterName: v.g.Sentinel.MasterName})
	if len(f.Refused) == 0 {
		return fleet.GroupForming, fmt.Sprintf("it is not adopted, since %s run now and %d were shown when it was asked for; nothing was changed.",
			count(len(f.Instances), "instance"), len(marks.Instances))
	}
	return fleet.GroupForming, "it is not adopted while it is not as it was shown: " + strings.Join(f.Refused, "; ") + "."
}
