// Package verdict is what `redfleet status` and `redfleet verify` say, in the
// form that programs rely on (docs/json.md). It takes assessments as they are
// and adds only what is no part of any group: a fleet without a spec, and
// records that could not be read.
package verdict

import (
	"maps"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// The names of the checks that belong to the fleet and to no group.
const (
	// CheckSpec: a spec was applied and names at least one group.
	CheckSpec = "spec"
	// CheckRecords: each record in Consul can be read.
	CheckRecords = "records"
)

// Status is the document of `status -o json`.
type Status struct {
	Fleet  string             `json:"fleet"`
	Groups []fleet.Assessment `json:"groups"`
	// Requests are the operators' requests that are not done yet, oldest first.
	Requests []Request `json:"requests"`
}

// Request is how far an operator's request has come.
type Request struct {
	ID     string             `json:"id"`
	Kind   fleet.RequestKind  `json:"kind"`
	Node   string             `json:"node"`
	With   string             `json:"with"`
	Groups []string           `json:"groups"`
	Phase  fleet.RequestPhase `json:"phase"`
	Waits  string             `json:"waits"`
}

// WithRequests adds those of a fleet.
func (s Status) WithRequests(w fleet.World) Status {
	for _, id := range slices.Sorted(maps.Keys(w.Requests)) {
		if r := w.Requests[id]; r.Phase != fleet.RequestDone {
			s.Requests = append(s.Requests, Request{ID: r.ID, Kind: r.Kind, Node: r.Node, With: r.With,
				Groups: append([]string{}, r.Groups...), Phase: r.Phase, Waits: r.Waits})
		}
	}
	return s
}

// NewStatus gathers the assessments of one fleet. Lists in it are never null.
func NewStatus(name string, groups []fleet.Assessment) Status {
	s := Status{Fleet: name, Groups: slices.Clone(groups), Requests: []Request{}}
	if s.Groups == nil {
		s.Groups = []fleet.Assessment{}
	}
	for i := range s.Groups {
		if s.Groups[i].Replicas == nil {
			s.Groups[i].Replicas = []fleet.ReplicaStatus{}
		}
		if s.Groups[i].Sentinels == nil {
			s.Groups[i].Sentinels = []fleet.SentinelStatus{}
		}
	}
	return s
}

// Verdict is the document of `verify -o json`.
type Verdict struct {
	OK     bool          `json:"ok"`
	Checks []fleet.Check `json:"checks"`
}

// New gathers the checks of the fleet and of the groups in only, or of every
// group when only is empty. A verdict holds when there is a group and each
// check holds.
func New(w fleet.World, groups []fleet.Assessment, only ...string) Verdict {
	v := Verdict{Checks: fleetChecks(w)}
	for _, g := range groups {
		if len(only) > 0 && !slices.Contains(only, g.Name) {
			continue
		}
		v.Checks = append(v.Checks, g.Checks...)
	}
	v.OK = !slices.ContainsFunc(v.Checks, func(c fleet.Check) bool { return !c.OK })
	return v
}

// Failed are the checks that do not hold.
func (v Verdict) Failed() []fleet.Check {
	return slices.DeleteFunc(slices.Clone(v.Checks), func(c fleet.Check) bool { return c.OK })
}

// fleetChecks are always there, so that a fleet without groups has not simply
// passed all of its checks.
func fleetChecks(w fleet.World) []fleet.Check {
	spec := fleet.Check{Name: CheckSpec, Want: "a spec with at least one group"}
	switch {
	case w.Spec == nil:
		spec.Seen = "no spec in Consul; write one with: redfleet apply FILE"
	case len(w.Spec.Spec.Groups) == 0:
		spec.Seen = "a spec without groups"
	default:
		spec.OK, spec.Seen = true, groupNames(w.Spec.Spec)
	}
	checks := []fleet.Check{spec}
	for _, key := range slices.Sorted(maps.Keys(w.Problems)) {
		checks = append(checks, fleet.Check{
			Name: CheckRecords, Seen: w.Problems[key], Want: "a record that can be read",
		})
	}
	return checks
}

func groupNames(s fleet.Spec) string {
	text := "a spec with "
	for i, g := range s.Groups {
		if i > 0 {
			text += ", "
		}
		text += g.Name
	}
	return text
}
