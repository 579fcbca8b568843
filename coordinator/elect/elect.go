// Package elect chooses the initial master of a group, and says why.
//
// It is pure: the group's spec, what the agents reported and the operator's
// override go in, a decision or a reason to stop comes out. It is asked only
// while the group has no record in Consul; the decision counts once one
// create-only write has stored it (promise one-election). After that Sentinel
// alone decides who is master (promise sentinel-owns-master).
//
// The rules, in this order:
//
//	operator        the node that the operator named
//	running-master  runs as master now, and the newest sentinel state names it
//	sentinel-state  holds data, and the newest sentinel state names it
//	most-advanced   holds the only lineage of data: highest offset, newest file
//	preferred       the spec's prefer
//	priority        the lowest node priority
//	zone            is in the zone that holds most voters of the group
//	name            the first by name
//
// A node without data is never chosen while another holds some, and data of a
// second lineage is never overwritten by one of these rules: the election
// stops, and an operator says which data counts (promise data-wins).
package elect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// The names of the rules, as a decision records them.
const (
	RuleOperator      = "operator"
	RuleRunningMaster = "running-master"
	RuleSentinelState = "sentinel-state"
	RuleMostAdvanced  = "most-advanced"
	RulePreferred     = "preferred"
	RulePriority      = "priority"
	RuleZone          = "zone"
	RuleName          = "name"
)

// Initial chooses the initial master of g among candidates. override is the
// node that the operator named with `apply --initial-master`, or empty.
//
// The answer does not depend on the order of candidates. Every error is a
// *StopError; one that is ErrMissing ends by itself when the nodes come in, all
// others wait for an operator.
func Initial(g fleet.GroupSpec, candidates []Candidate, override string) (fleet.Decision, error) {
	e := newElection(g, candidates)
	if err := e.refuse(override); err != nil {
		return fleet.Decision{}, err
	}
	if override != "" {
		return e.byOperator(override)
	}
	if len(e.data) > 0 {
		if err := e.checkLineages(); err != nil {
			return fleet.Decision{}, err
		}
	}
	for _, rule := range []func() (fleet.Decision, bool){
		e.runningMaster, e.sentinelState, e.mostAdvanced, e.preferred,
	} {
		if d, ok := rule(); ok {
			return d, nil
		}
	}
	return e.byOrder(), nil
}

// election is what the rules share.
type election struct {
	g fleet.GroupSpec
	// all are the candidates in order of name; servers those that are to run a
	// redis-server; data those of them that hold data.
	all, servers, data []Candidate
	// verdict is the newest sentinel state.
	verdict verdict
}

func newElection(g fleet.GroupSpec, candidates []Candidate) *election {
	e := &election{g: g, all: slices.Clone(candidates)}
	slices.SortFunc(e.all, func(a, b Candidate) int { return strings.Compare(a.Node, b.Node) })
	for _, c := range e.all {
		if !slices.Contains(g.Nodes, c.Node) || c.Out != "" {
			continue
		}
		e.servers = append(e.servers, c)
		if c.Dataset.Present {
			e.data = append(e.data, c)
		}
	}
	e.verdict = newestState(g, e.all)
	return e
}

// eligible are the nodes that may be chosen: those with data, or all when none
// has any (promise data-wins).
func (e *election) eligible() []Candidate {
	if len(e.data) > 0 {
		return e.data
	}
	return e.servers
}

func (e *election) byOperator(node string) (fleet.Decision, error) {
	i := slices.IndexFunc(e.servers, func(c Candidate) bool { return c.Node == node })
	chosen := e.servers[i]
	if len(e.data) > 0 && !chosen.Dataset.Present {
		return fleet.Decision{}, emptyOverride(e.g.Name, chosen, e.data)
	}
	reason := "The operator named " + node + " as the initial master"
	if others := describeOthers(e.data, node); others != "" {
		reason += "; it replaces the data of " + others
	}
	return decide(chosen, RuleOperator, reason+"."), nil
}

// runningMaster follows a group that is up already. The sentinel state with the
// highest epoch must name the node: a failover that a majority authorised
// counts for more than a process that has not heard of it yet.
func (e *election) runningMaster() (fleet.Decision, bool) {
	for _, c := range e.eligible() {
		if c.RunsMaster && e.verdict.names(c) {
			return decide(c, RuleRunningMaster, fmt.Sprintf(
				"%s runs as master now, and %s names it.", c.Node, e.verdict)), true
		}
	}
	return fleet.Decision{}, false
}

func (e *election) sentinelState() (fleet.Decision, bool) {
	for _, c := range e.data {
		if e.verdict.names(c) {
			return decide(c, RuleSentinelState, fmt.Sprintf(
				"%s holds data, and %s names it as master.", c.Node, e.verdict)), true
		}
	}
	return fleet.Decision{}, false
}

func (e *election) mostAdvanced() (fleet.Decision, bool) {
	if len(e.data) == 0 {
		return fleet.Decision{}, false
	}
	best := e.data[0]
	offsets := allOffsetsKnown(e.data)
	for _, c := range e.data[1:] {
		if moreAdvanced(c, best, offsets) {
			best = c
		}
	}
	if len(e.data) == 1 {
		return decide(best, RuleMostAdvanced, best.Node+" is the only node that holds data."), true
	}
	reason := fmt.Sprintf("%s is the most advanced of the %d nodes that hold this data: %s.",
		best.Node, len(e.data), describe(best))
	return decide(best, RuleMostAdvanced, reason), true
}

// allOffsetsKnown: an offset that could not be read is no low offset, so it must
// not lose against one that could; then the newest file counts first.
func allOffsetsKnown(data []Candidate) bool {
	return !slices.ContainsFunc(data, func(c Candidate) bool { return c.Dataset.Offset <= 0 })
}

// moreAdvanced compares by offset and then by the newest file, or the other way
// round where not all offsets are known.
func moreAdvanced(a, b Candidate, offsets bool) bool {
	newer := a.Dataset.Newest.Compare(b.Dataset.Newest)
	further := cmp.Compare(a.Dataset.Offset, b.Dataset.Offset)
	if offsets {
		return further > 0 || further == 0 && newer > 0
	}
	return newer > 0 || newer == 0 && further > 0
}

func (e *election) preferred() (fleet.Decision, bool) {
	for _, c := range e.servers {
		if c.Node == e.g.Prefer {
			return decide(c, RulePreferred, fmt.Sprintf(
				"No node holds data, and the spec prefers %s.", c.Node)), true
		}
	}
	return fleet.Decision{}, false
}

func decide(c Candidate, rule, reason string) fleet.Decision {
	return fleet.Decision{Master: c.Addr, Node: c.Node, Rule: rule, Reason: reason}
}
