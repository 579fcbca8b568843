package recovery

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/redfleet/redfleet/internal/change"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// record is one key that is to be there in the end.
type record struct {
	key   string
	value []byte
	// last: it goes with the control record, in one transaction.
	last bool
	same func(there consul.Entry) bool
}

// wanted gives every record but control, whose writing ends the recovery. A group
// goes beside its secret: there is never one without the other.
func (f *Finding) wanted(keys fleet.Keys) ([]record, error) {
	var out []record
	add := func(key string, v any, last bool, same func(consul.Entry, []byte) bool) error {
		value, err := records.Encode(v)
		if err != nil {
			return err
		}
		out = append(out, record{key: key, value: value, last: last, same: func(e consul.Entry) bool { return same(e, value) }})
		return nil
	}
	secrets := map[string]fleet.Secret{}
	for _, s := range f.Plan.Secrets {
		secrets[s.Group] = s
	}
	for _, g := range f.Plan.Groups {
		s, kept := secrets[g.Name]
		if !kept {
			continue // refused already
		}
		if err := add(keys.Group(g.Name), g, false, func(e consul.Entry, _ []byte) bool { return sameGroup(e, g) }); err != nil {
			return nil, err
		}
		if err := add(keys.Secret(g.Name), s, false, identical); err != nil {
			return nil, err
		}
	}
	for _, g := range f.Plan.Goals {
		if err := add(keys.Goal(g.Node), g, false, identical); err != nil {
			return nil, err
		}
	}
	if len(f.Spec.Spec.Groups) == 0 {
		return out, nil // there never was a group: the operator applies a spec as for a new fleet
	}
	return out, add(keys.Spec(), f.Spec, true, func(consul.Entry, []byte) bool { return f.specThere })
}

func identical(e consul.Entry, value []byte) bool { return bytes.Equal(e.Value, value) }

// sameGroup: who was master, and when it was written, may differ between two runs.
func sameGroup(e consul.Entry, g fleet.Group) bool {
	there, err := records.Decode[fleet.Group](e.Key, e.Value)
	if err != nil {
		return false
	}
	there.Decision.Master, there.Decision.Node, there.Decision.Reason = g.Decision.Master, g.Decision.Node, g.Decision.Reason
	there.Since = g.Since
	return reflect.DeepEqual(there, g)
}

func (f *Finding) add(r record, op consul.Op) {
	if r.last {
		f.final = append(f.final, op)
		return
	}
	f.ops = append(f.ops, op)
}

// spec settles which spec is written: the operator's, or the one that stands in
// Consul since `redfleet apply`, each held against what the goals tell; else what
// the goals tell. A password file's content is the sealed password that is in use.
func (f *Finding) spec(o Options, w fleet.World) {
	given := o.Spec
	if w.Spec != nil {
		if given != nil && len(differences(*given, w.Spec.Spec)) > 0 {
			f.refuse("Consul holds another spec already than the one that is given: %v", differences(*given, w.Spec.Spec))
		}
		f.Spec, f.specThere = *w.Spec, true
		f.hold(w.Spec.Spec, "the spec in Consul")
		return
	}
	f.Spec = fleet.SpecRecord{Format: fleet.Format, Spec: f.Plan.Spec, Passwords: map[string]string{}}
	if given == nil {
		return
	}
	f.hold(*given, "the spec that is given")
	f.Spec.Spec = *given
	for _, s := range f.Plan.Secrets {
		if g, ok := given.Group(s.Group); ok && g.Password.File != "" {
			f.Spec.Passwords[s.Group] = s.Sealed
		}
	}
}

// hold refuses a spec that says something else than the goals.
func (f *Finding) hold(given fleet.Spec, what string) {
	for _, d := range differences(f.Plan.Spec, given) {
		f.refuse("%s does not say what the agents' goals do: %s", what, d)
	}
}

// differences compares two specs but for what no goal tells: where the password came
// from, and which master was preferred.
func differences(goals, given fleet.Spec) []string {
	byName := map[string]fleet.GroupSpec{}
	for _, g := range given.WithDefaults().Groups {
		byName[g.Name] = g
	}
	var out []string
	for _, g := range goals.WithDefaults().Groups {
		other, ok := byName[g.Name]
		delete(byName, g.Name)
		if !ok {
			out = append(out, fmt.Sprintf("group %s is not in it", g.Name))
			continue
		}
		other.Password, other.Prefer = g.Password, g.Prefer
		for _, d := range change.Differences(g, other) {
			out = append(out, fmt.Sprintf("group %s: %s", g.Name, d))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, fmt.Sprintf("group %s is in no goal: apply it once the fleet is back, unless all of its nodes are missing", name))
	}
	return out
}
