package history

import (
	"fmt"
	"slices"
)

// unasked are the units that were restarted, or ended, in the window and that its
// fault does not touch, each once.
func unasked(units []Unit, w window) (found []string) {
	type key struct{ node, unit string }
	last := map[key]Unit{}
	for _, u := range units {
		k := key{u.Node, u.Unit}
		was, known := last[k]
		last[k] = u
		if !known || was.Run == u.Run || was.Run == "" || !w.holds(u.Time) || touched(w.fault, u) {
			continue
		}
		if name := fmt.Sprintf("%s on %s", u.Unit, u.Node); !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

func touched(f *Fault, u Unit) bool {
	if f == nil {
		return false
	}
	return slices.ContainsFunc(f.Touches, func(t Touch) bool {
		return t.Node == u.Node && (t.Unit == "" || t.Unit == u.Unit)
	})
}
