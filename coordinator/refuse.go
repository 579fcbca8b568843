package coordinator

import (
	"fmt"
	"maps"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// formable gives the world without the new groups that may not be formed now: those
// whose password, as it was applied, cannot be opened here, and all while Consul was
// restored and not every agent has reported since. They wait, with an event that says
// why, and hold up no other group.
func (t *term) formable(w fleet.World) (fleet.World, []fleet.Event) {
	if w.Spec == nil {
		return w, nil
	}
	var events []fleet.Event
	refused := map[string]string{}
	for group, given := range w.Spec.Passwords {
		if _, formed := w.Groups[group]; formed || given == "" {
			continue
		}
		if _, err := t.key.Open(given, "another key"); err != nil {
			refused[group] = fmt.Sprintf("the password that was applied for it cannot be used: %v; "+
				"start the coordinators with the key that sealed it", err)
		}
	}
	if node, found := unheard(w, t.horizon.restored); found {
		for _, g := range w.Spec.Spec.Groups {
			if _, formed := w.Groups[g.Name]; !formed {
				refused[g.Name] = fmt.Sprintf("Consul was restored from an older snapshot, and the agent of %s has not reported since: "+
					"the group may have been formed after that snapshot; the election waits for the report", node)
			}
		}
	}
	for group, why := range refused {
		if t.refused[group] != why {
			events = append(events, fleet.Event{At: w.Now, Group: group, What: "the group is not formed", Why: why})
		}
	}
	t.refused = refused
	if len(refused) == 0 {
		return w, nil
	}
	rec := *w.Spec
	rec.Spec.Groups = slices.DeleteFunc(slices.Clone(rec.Spec.Groups), func(g fleet.GroupSpec) bool { return refused[g.Name] != "" })
	w.Spec = &rec
	return w, events
}

// unheard finds a living agent whose report is not newer than the state to which Consul
// was restored, at that index; 0 where it was not. What its node holds now may be of a
// group of which the restored records know nothing, so nobody is elected by it (promise
// one-election, hazard K5; simulation, seed 3248). An agent reports anew when its watches
// come back, and every 100 s at the latest.
func unheard(w fleet.World, restored uint64) (node string, found bool) {
	for _, name := range slices.Sorted(maps.Keys(w.Reports)) {
		if r := w.Reports[name]; r.Alive && r.Index <= restored {
			return name, true
		}
	}
	return "", false
}
