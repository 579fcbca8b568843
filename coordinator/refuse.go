package coordinator

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// formable gives the world without the new groups whose password, as it was
// applied, cannot be opened here: they wait, with an event that says why, and
// hold up no other group.
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
