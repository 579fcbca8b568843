// Package rebuild decides how a fleet's records are made anew from what its agents
// keep on their disks, after Consul was lost for good (hazard K5). It is pure;
// package recovery carries it out.
//
// It invents nothing: identities, passwords, goals and epochs are those that the
// agents had, so that no agent sees a goal that it does not follow already, and no
// instance is restarted (promises fail-static and sentinel-owns-master).
package rebuild

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Rule is the rule of a decision that was recovered: no election took place.
const Rule = "recovered"

// Found is what there is to go by.
type Found struct {
	Fleet string
	Now   time.Time
	// Offers are the agents' records by node, Reports theirs as ever.
	Offers  map[string]fleet.Recovery
	Reports map[string]fleet.ReportRecord
	// Without are nodes that the operator says are gone for good.
	Without []string
	// Recipient is the public half of the fleet's key.
	Recipient string
}

// Plan is what is to be written, and what it rests on. With Refused nothing of it
// may be.
type Plan struct {
	Control fleet.Control
	Groups  []fleet.Group
	Secrets []fleet.Secret
	Goals   []fleet.Goal
	// Spec is the spec as far as goals tell it: which password file and which
	// preferred master it named is lost.
	Spec fleet.Spec
	// Missing are nodes that groups name and that offer nothing.
	Missing []string
	// Masters is the master of each group as reports and sentinels tell it now.
	Masters map[string]fleet.MasterStatus
	// Refused says why nothing can be rebuilt: each with what was found and what
	// to do.
	Refused []string
}

// Make gives the plan.
func Make(f Found) Plan {
	p := Plan{Masters: map[string]fleet.MasterStatus{}}
	if len(f.Offers) == 0 {
		p.refuse("no agent offers anything yet: an agent does so when Consul tells it that the control record is missing; " +
			"see that the agents run and reach this Consul, and wait a moment")
		return p
	}
	p.identity(f)
	p.agents(f)
	if len(p.Refused) > 0 {
		return p // whose records these are is not clear, so nothing else is
	}
	p.goals(f)
	w := fleet.World{Now: f.Now, Control: &p.Control, Goals: goalsOf(p.Goals), Reports: f.Reports}
	for _, name := range groupOrder(p.Goals) {
		p.group(f, w, name)
	}
	p.missing(f)
	p.masters(w)
	return p
}

func (p *Plan) refuse(format string, args ...any) {
	p.Refused = append(p.Refused, fmt.Sprintf(format, args...))
}

// identity finds the one fleet that all belong to (hazard K8).
func (p *Plan) identity(f Found) {
	nodes := map[string][]string{}
	for node, o := range f.Offers {
		nodes[o.FleetID] = append(nodes[o.FleetID], node)
	}
	for node, r := range f.Reports {
		if id := r.Report.FleetID; id != "" && !slices.Contains(nodes[id], node) {
			nodes[id] = append(nodes[id], node)
		}
	}
	ids := slices.Sorted(maps.Keys(nodes))
	if len(ids) > 1 {
		var told []string
		for _, id := range ids {
			slices.Sort(nodes[id])
			told = append(told, fmt.Sprintf("%s belong to fleet %s", strings.Join(nodes[id], ", "), id))
		}
		p.refuse("two fleets share these records: %s; stop the agents that do not belong here, or give them a fleet name of their own",
			strings.Join(told, ", "))
		return
	}
	p.Control = fleet.Control{Format: fleet.Format, FleetID: ids[0], Recipient: f.Recipient}
}

// agents refuses offers that contradict themselves or each other (hazard M4).
func (p *Plan) agents(f Found) {
	by := map[string]string{}
	for _, node := range sorted(f.Offers) {
		o := f.Offers[node]
		if other := by[o.Agent]; other != "" && o.Agent != "" {
			p.refuse("%s and %s say that they are the same agent (%s): one is a copy of the other; stop the copy and remove recovery/%s or recovery/%s",
				other, node, o.Agent, other, node)
		}
		by[o.Agent] = node
		if o.Goal.Node != node || o.Goal.FleetID != o.FleetID {
			p.refuse("%s offers the goal of node %q in fleet %s, and is %s of fleet %s: the files of its state folder do not belong together",
				node, o.Goal.Node, o.Goal.FleetID, node, o.FleetID)
		}
	}
}

// goals takes each node's last goal as it is: the node follows it already. The
// highest epoch that anybody saw becomes the committed one.
func (p *Plan) goals(f Found) {
	for _, node := range sorted(f.Offers) {
		o := f.Offers[node]
		p.Goals = append(p.Goals, o.Goal)
		p.Control.Committed = max(p.Control.Committed, o.Epoch, o.Goal.Epoch)
	}
	for _, r := range f.Reports {
		p.Control.Committed = max(p.Control.Committed, r.Report.Epoch)
	}
}

// missing are nodes that no offer came from. What they keep may be newer than what
// the others do, so they are left out by name only.
func (p *Plan) missing(f Found) {
	named := map[string]bool{}
	for _, g := range p.Spec.Groups {
		for _, node := range slices.Concat(g.Nodes, g.Sentinel.Nodes) {
			named[node] = true
		}
	}
	for _, node := range slices.Sorted(maps.Keys(named)) {
		if _, offered := f.Offers[node]; !offered {
			p.Missing = append(p.Missing, node)
		}
	}
	for _, node := range p.Missing {
		if !slices.Contains(f.Without, node) {
			p.refuse("%s offers nothing%s: bring its agent back, or leave it out with --without %s", node, because(f.Reports[node]), node)
		}
	}
	for _, node := range f.Without {
		if !slices.Contains(p.Missing, node) {
			p.refuse("--without %s: it is not missing", node)
		}
	}
}

func because(r fleet.ReportRecord) string {
	switch {
	case !r.Alive:
		return ", and its agent does not report"
	case r.Report.FleetID == "":
		return ", and its agent says that it never followed a goal"
	}
	return " yet, and its agent reports"
}

func goalsOf(list []fleet.Goal) map[string]fleet.Goal {
	out := map[string]fleet.Goal{}
	for _, g := range list {
		out[g.Node] = g
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
