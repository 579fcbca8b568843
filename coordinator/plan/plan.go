// Package plan decides what the coordinator writes next: from the fleet's
// records to new group records, goals and events. It is pure; package
// coordinator carries a Plan out, each write under the lease.
package plan

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/coordinator/elect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Plan is what is to be written. Groups in Create are elections: each is
// written create-only, with its secret, before anything else of the plan.
type Plan struct {
	// Halt says why nothing is written at all; empty when the plan counts.
	Halt string
	// FleetID is the identity to write when Consul has none yet.
	FleetID string
	Create  []fleet.Group
	Update  []fleet.Group
	// Goals are the goals to write, all with Epoch, which is then committed.
	Goals []fleet.Goal
	Epoch uint64
	// Events tell what is done and why.
	Events []fleet.Event
}

// Empty tells that there is nothing to write.
func (p Plan) Empty() bool {
	return p.Halt != "" || len(p.Create)+len(p.Update)+len(p.Goals) == 0
}

// Mint makes what must be new: identities and probe values.
type Mint func() string

// Next gives the next plan for the whole fleet.
func Next(w fleet.World, mint Mint) Plan {
	var p Plan
	if reason := strange(w); reason != "" {
		return Plan{Halt: reason}
	}
	if w.Spec == nil {
		return p
	}
	fleetID := mintFleet(w, mint, &p)
	spec := w.Spec.Spec.WithDefaults()
	goals := map[string]*fleet.Goal{}
	for _, g := range spec.Groups {
		rec, ok := advance(w, g, mint, &p)
		if !ok || !addGroup(goals, w, AsMade(w, g, rec), rec) {
			keepGroup(goals, w, g.Name)
		}
	}
	keepOthers(goals, w, spec)
	p.Goals, p.Epoch = changed(w, fleetID, goals)
	return p
}

// strange tells why the records may not be acted on: one that cannot be read,
// for it must never count as missing (promise one-election), or agents that belong to a
// fleet which this Consul does not know (hazards K5, K8).
func strange(w fleet.World) string {
	for _, key := range nodes(w.Problems) {
		if !isIn(key, "goal") && !isIn(key, "request") { // goals are the plan's own to write anew, and it reads no request
			return w.Problems[key]
		}
	}
	for _, node := range nodes(w.Reports) {
		id := w.Reports[node].Report.FleetID
		switch {
		case id == "":
		case w.Control == nil:
			return fmt.Sprintf("node %s belongs to fleet %s, which this Consul does not know: Consul is empty or was rebuilt; nothing is changed: restore its snapshot, or have the records rebuilt from what the agents keep: redfleet recover", node, id)
		case id != w.Control.FleetID:
			return fmt.Sprintf("node %s belongs to fleet %s, the records to fleet %s: two fleets share this prefix, or Consul was rebuilt; nothing is changed", node, id, w.Control.FleetID)
		}
	}
	return ""
}

// isIn looks at the folder of a key, redfleet/<fleet>/goal/<node>: a fleet can
// be called goal too.
func isIn(key, folder string) bool {
	parts := strings.Split(key, "/")
	return len(parts) > 3 && parts[len(parts)-2] == folder
}

func mintFleet(w fleet.World, mint Mint, p *Plan) string {
	if w.Control != nil {
		return w.Control.FleetID
	}
	p.FleetID = mint()
	return p.FleetID
}

// advance gives a group's record: elected now, moved one phase on, or as it is.
func advance(w fleet.World, g fleet.GroupSpec, mint Mint, p *Plan) (fleet.Group, bool) {
	rec, ok := w.Groups[g.Name]
	if marks, adopted := w.Spec.Adopt[g.Name]; !ok && adopted {
		return adoptGroup(w, g, marks, mint, p)
	}
	if !ok {
		return electGroup(w, g, mint, p)
	}
	if rec.Phase == fleet.PhaseServing {
		return rec, true
	}
	a := assess.Group(w, g.Name)
	next, written := rec.Phase, rec.Written || wroteWhileForming(w, rec)
	switch {
	case assess.Verified(a):
		next = fleet.PhaseServing
	case rec.Phase == fleet.PhaseStarting && a.State == fleet.GroupVerifying:
		next = fleet.PhaseVerifying
	}
	if next == rec.Phase && written == rec.Written {
		return rec, true
	}
	rec.Written = written
	if next != rec.Phase {
		rec.Phase, rec.Since = next, w.Now
	}
	if next == fleet.PhaseServing {
		rec.WriteProved, rec.Probe = true, ""
	}
	p.Update = append(p.Update, rec)
	return rec, true
}

// wroteWhileForming: clients found a fresh group's master before the group serves, and
// a server shows what they wrote. A node that loses its disk then is not as empty as
// all were at the election, and its goal has to say so (promise no-empty-master;
// simulation, seeds 872 and 1152). redfleet's own probe is no data, so a group that
// nobody writes to forms without a further goal.
func wroteWhileForming(w fleet.World, rec fleet.Group) bool {
	if !rec.Fresh {
		return false // its seed counts every empty server as one that lost its data
	}
	for _, r := range w.Reports {
		for _, i := range r.Report.Instances {
			if i.GroupID == rec.ID && i.Dataset != nil && i.Dataset.Present {
				return true
			}
		}
	}
	return false
}

func electGroup(w fleet.World, g fleet.GroupSpec, mint Mint, p *Plan) (fleet.Group, bool) {
	candidates := elect.Candidates(g, w.Reports)
	d, err := elect.Initial(g, candidates, w.Spec.InitialMaster[g.Name])
	if err != nil {
		return fleet.Group{}, false
	}
	rec := fleet.Group{
		Format: fleet.Format, ID: mint(), Name: g.Name, Topology: g.Topology,
		Decision: d, Phase: fleet.PhaseStarting, Since: w.Now, CredentialsVersion: 1, Probe: mint(),
		Fresh: !slices.ContainsFunc(candidates, func(c elect.Candidate) bool { return c.Dataset.Present }),
	}
	p.Create = append(p.Create, rec)
	p.Events = append(p.Events, fleet.Event{At: w.Now, Group: g.Name, Node: d.Node, What: "initial master is " + d.Node, Why: d.Reason})
	return rec, true
}

func nodes[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}
