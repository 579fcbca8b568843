// Package assess gives the verdict on a group: its state with the reason, who is
// master, and each check of `redfleet verify` with what was seen.
//
// It is pure: the records of a fleet and the moment at which they were read go
// in, assessments come out. Nothing of it is stored, so status, verify and the
// coordinator cannot disagree, and a status is to be had while every coordinator
// is down.
//
// A report tells what an agent saw, and a machine that was killed reports
// nothing. What its peers report later than it did therefore counts for more
// than its own last word; evidence.go says how.
package assess

import (
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Group assesses one group. A group that the spec does not name is assessed as
// far as records and reports allow.
func Group(w fleet.World, name string) fleet.Assessment {
	g, ok := specOf(w, name)
	if !ok {
		return orphan(w, name)
	}
	v := newView(w, g)
	checks := v.check()
	a := fleet.Assessment{
		Name:      g.Name,
		Topology:  g.Topology,
		Replicas:  v.replicas(),
		Sentinels: v.sentinelList(),
		Quorum:    v.quorum(),
		Checks:    checks,
	}
	if v.master != nil {
		a.Master = &fleet.MasterStatus{Node: v.master.node, Addr: v.master.addr}
	}
	if v.rec != nil {
		a.CredentialsVersion = v.rec.CredentialsVersion
		a.Adopted = v.adopted()
	}
	a.State, a.Reason = v.state(checks)
	return a
}

// Fleet assesses every group of the spec, in its order, and then, by name, each
// group that only Consul's records or the agents' reports know.
func Fleet(w fleet.World) []fleet.Assessment {
	var names []string
	if w.Spec != nil {
		for _, g := range w.Spec.Spec.Groups {
			names = append(names, g.Name)
		}
	}
	names = append(names, orphans(w, names)...)
	out := make([]fleet.Assessment, 0, len(names))
	for _, name := range names {
		out = append(out, Group(w, name))
	}
	return out
}

// Verified tells whether every check holds. The entries in Consul's catalog do
// not count while the group forms: agents register what serves already.
func Verified(a fleet.Assessment) bool {
	forming := a.State == fleet.GroupStarting || a.State == fleet.GroupVerifying
	failed := func(c fleet.Check) bool { return !c.OK && (!forming || c.Name != CheckServices) }
	return len(a.Checks) > 0 && !slices.ContainsFunc(a.Checks, failed)
}

func specOf(w fleet.World, name string) (fleet.GroupSpec, bool) {
	if w.Spec == nil {
		return fleet.GroupSpec{}, false
	}
	spec := w.Spec.Spec.WithDefaults()
	g, ok := spec.Group(name)
	return standing(w, g), ok
}
