// Package request decides how the operators' requests are carried out: what a
// request would do, for the operator who is asked first, and what the coordinator
// writes next for one that was made. It is pure; package coordinator writes.
//
// Each step follows from what is seen and not from what was done before, so that a
// coordinator that dies at any point leaves the rest to the next one (promise
// resumable).
package request

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Plan is what taking a node out, or putting another in its place, does.
type Plan struct {
	Node, With string
	Groups     []Change
	// Refused says why it must not be done; Warnings what to know before.
	Refused, Warnings []string
	// Moves are the groups of which the node is the master, where a planned failover
	// comes first.
	Moves []string
}

// Objections are all that speaks against it as things are: what is refused, and that
// another server has to take over first.
func (p Plan) Objections() []string {
	out := slices.Clone(p.Refused)
	for _, name := range p.Moves {
		out = append(out, fmt.Sprintf("group %s: %s is its master; let another server take over first (redfleet failover %s), then remove it", name, p.Node, name))
	}
	return out
}

// Change is what becomes of one group.
type Change struct {
	Before, After fleet.GroupSpec
	// Ghosts are the instances that the sentinels know and that are no members.
	Ghosts []fleet.Addr
}

// Touched are the names of the groups.
func (p Plan) Touched() []string {
	var out []string
	for _, c := range p.Groups {
		out = append(out, c.Before.Name)
	}
	return out
}

// Replace plans to take node out of every group that it is in. The node with takes
// its place; empty is nobody. Where both are one name, a new machine has joined
// under the old one's name, and what is left to do is that the sentinels forget the
// old one's address. The same holds for a node that is in no group any more and
// came back as a ghost (hazard S4).
func Replace(w fleet.World, node, with string) Plan {
	p := Plan{Node: node, With: with}
	now := asItIs(w)
	for _, g := range now.Spec.Spec.Groups {
		c := Change{Before: g, After: substitute(g, node, with), Ghosts: ghosts(now, g)}
		member := slices.Contains(g.Nodes, node) || slices.Contains(g.Sentinel.Nodes, node)
		switch {
		case member && node != with:
			p.judge(now, c)
		case len(c.Ghosts) == 0:
			continue
		case !member && !left(now, g, node):
			continue
		default:
			c.After = g
		}
		p.Groups = append(p.Groups, c)
	}
	p.judgeNodes(now)
	return p
}

// asItIs is the world with each group as it is made up now, whatever the spec says
// of it already.
func asItIs(w fleet.World) fleet.World {
	rec := fleet.SpecRecord{}
	if w.Spec != nil {
		rec = *w.Spec
	}
	rec.Spec = rec.Spec.WithDefaults()
	for i, g := range rec.Spec.Groups {
		if made, ok := w.Groups[g.Name]; ok {
			rec.Spec.Groups[i] = plan.AsMade(w, g, made)
		}
	}
	w.Spec = &rec
	return w
}

// left: the node was a member once.
func left(w fleet.World, g fleet.GroupSpec, node string) bool {
	m := w.Groups[g.Name].Members
	return m != nil && slices.Contains(m.Retired, node)
}

// substitute puts a node in the place of another one.
func substitute(g fleet.GroupSpec, node, with string) fleet.GroupSpec {
	before := len(g.Sentinel.Nodes)
	g.Nodes = replaced(g.Nodes, node, with)
	g.Sentinel.Nodes = replaced(g.Sentinel.Nodes, node, with)
	g.Sentinel.Quorum = quorum(g.Sentinel.Quorum, before, len(g.Sentinel.Nodes))
	if g.Prefer == node {
		g.Prefer = with
	}
	return g
}

func replaced(list []string, node, with string) []string {
	var out []string
	for _, n := range list {
		switch {
		case n != node:
			out = append(out, n)
		case with != "" && !slices.Contains(list, with) || with == node:
			out = append(out, with)
		}
	}
	return out
}

// quorum follows the number of sentinels where it was the majority, and is never
// more than there are.
func quorum(was, before, after int) int {
	if was == fleet.Majority(before) {
		return fleet.Majority(after)
	}
	return min(was, after)
}

// judge says what speaks against a change of a group, and what to know of it.
func (p *Plan) judge(w fleet.World, c Change) {
	name := c.Before.Name
	refuse := func(format string, args ...any) {
		p.Refused = append(p.Refused, "group "+name+": "+fmt.Sprintf(format, args...))
	}
	rec, recorded := w.Groups[name]
	if !recorded || rec.Phase != fleet.PhaseServing {
		refuse("it is still forming; a change of its nodes comes after that (redfleet status)")
		return
	}
	a := assess.Group(w, name)
	switch {
	case len(c.After.Nodes) == 0:
		refuse("no server would be left, and with it no data")
		return
	case a.Master == nil:
		refuse("no server is its master now (%s); it must serve first", strings.TrimSuffix(a.Reason, "."))
		return
	case a.Master.Node == p.Node && c.Before.Topology != fleet.Sentinel:
		refuse("%s is its master, and nobody takes over in topology %q; make another server the master first, then remove it", p.Node, c.Before.Topology)
		return
	case a.Master.Node == p.Node:
		p.Moves = append(p.Moves, name)
	}
	p.judgeCopies(a, c, refuse)
	p.judgeWrites(c, refuse)
	if c.Before.Topology == fleet.Sentinel {
		p.judgeSentinels(w, a, c, refuse)
	}
	if len(c.After.Nodes) == 1 {
		p.warn("group %s: %s is left alone: nothing can be promoted when it fails", name, c.After.Nodes[0])
	}
	if p.With != "" && slices.Contains(c.Before.Nodes, p.With) {
		refuse("%s is in it already; name a node that is not", p.With)
	}
	p.judgeNewcomer(w, c, rec, refuse)
}

// judgeCopies: what the master has written last only a replica in step has too. The
// only one must not go while others that could take its place are still behind: with
// the master's machine gone next, a write that each server had confirmed would be
// nowhere (promise data-wins).
func (p *Plan) judgeCopies(a fleet.Assessment, c Change, refuse func(string, ...any)) {
	var leaves, stays, behind []string
	for _, r := range a.Replicas {
		switch {
		case r.Node == p.Node && r.Link == "up":
			leaves = append(leaves, r.Node)
		case !slices.Contains(c.After.Nodes, r.Node):
		case r.Link == "up":
			stays = append(stays, r.Node)
		default:
			behind = append(behind, r.Node)
		}
	}
	if len(leaves) > 0 && len(stays) == 0 && len(behind) > 0 {
		refuse("%s is its only replica in step with the master; wait until one of the others is (%s)", p.Node, strings.Join(behind, ", "))
	}
}

// judgeWrites: with min-replicas-to-write above what is left the master takes no
// write (hazard D4).
func (p *Plan) judgeWrites(c Change, refuse func(string, ...any)) {
	v := c.Before.Config["min-replicas-to-write"]
	n := 0
	if len(v) == 1 {
		_, _ = fmt.Sscanf(v[0], "%d", &n)
	}
	if n > len(c.After.Nodes)-1 {
		refuse("min-replicas-to-write is %d and %d replicas would be left, so it would take no write", n, len(c.After.Nodes)-1)
	}
}

// judgeSentinels: until they have forgotten the one that left, the sentinels count
// it, so those that are left must be a majority of all of them. So they do with any
// that left before: to take one that works out in that time, or one that is on its way
// in, could leave a group that can agree on nothing (promise one-at-a-time; simulation,
// seeds 472 and 7883).
func (p *Plan) judgeSentinels(w fleet.World, a fleet.Assessment, c Change, refuse func(string, ...any)) {
	ok, works := 0, false
	for _, s := range a.Sentinels {
		switch {
		case s.Node == p.Node:
			works = s.OK || onItsWayIn(w, c.Before, s.Node)
		case s.OK:
			ok++
		}
	}
	known, after := len(c.Before.Sentinel.Nodes), len(c.After.Sentinel.Nodes)
	all := voters(w, c.Before)
	switch need := fleet.Majority(known); {
	case after == 0:
		refuse("no sentinel would be left")
	case works && ok < fleet.Majority(all) && ok >= need:
		refuse("%d of its other sentinels can be reached and %d must agree on a failover meanwhile, since those that left count until they are forgotten: wait for that", ok, fleet.Majority(all))
	case ok < need:
		refuse("%d of its other sentinels can be reached and %d must agree on a failover meanwhile: bring their nodes back first", ok, need)
	case after < 3:
		p.warn("group %s: %d sentinels cannot outvote the loss of one; use 3 (--replace-with NODE)", c.Before.Name, after)
	case after%2 == 0:
		p.warn("group %s: %d sentinels survive no more losses than %d", c.Before.Name, after, after-1)
	}
}

func (p *Plan) judgeNewcomer(w fleet.World, c Change, rec fleet.Group, refuse func(string, ...any)) {
	r := w.Reports[p.With].Report
	for _, inst := range r.Instances {
		if inst.Group == c.Before.Name && inst.GroupID != "" && inst.GroupID != rec.ID {
			refuse("%s holds a folder of another group of that name (%s, identity %s): move it away first", p.With, inst.ID, inst.GroupID)
		}
	}
	usable := func(e fleet.EngineReport) bool { return e.Name == c.Before.Engine && e.Problem == "" }
	if r.Node != "" && !slices.ContainsFunc(r.Engines, usable) {
		refuse("%s has no usable %s installed", p.With, c.Before.Engine)
	}
}

func (p *Plan) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

// judgeNodes says what the nodes themselves say against it.
func (p *Plan) judgeNodes(w fleet.World) {
	gone := !w.Reports[p.Node].Alive
	switch {
	case p.With != "" && !w.Reports[p.With].Alive:
		p.Refused = append(p.Refused, fmt.Sprintf("no agent reports from %s; have the machine join first: redfleet join --node %s", p.With, p.With))
	case len(p.Groups) == 0 && p.Node == p.With:
		p.Refused = append(p.Refused, fmt.Sprintf("no sentinel knows an old address of %s: there is nothing to do", p.Node))
	case len(p.Groups) == 0:
		p.Refused = append(p.Refused, fmt.Sprintf("%s is in no group, and no sentinel knows anything of it", p.Node))
	case gone && p.Node != p.With:
		p.warn("%s does not report. Should the machine ever come back, its agent stops what it runs of these groups as soon as it "+
			"reaches Consul, and keeps every file", p.Node)
	case p.Node != p.With:
		p.warn("%s is alive: what it runs of these groups is stopped; every file is kept", p.Node)
	}
}
