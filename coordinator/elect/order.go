package elect

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// defaultPriority is what a node that sets no priority has: Redis's own default
// of replica-priority.
const defaultPriority = 100

// byOrder decides where neither data nor the spec does: priority, zone, name. It
// needs at least one server.
func (e *election) byOrder() fleet.Decision {
	lowest := slices.MinFunc(e.servers, func(a, b Candidate) int { return priority(a) - priority(b) })
	first := keep(e.servers, func(c Candidate) bool { return priority(c) == priority(lowest) })
	if len(first) == 1 && len(e.servers) > 1 {
		return decide(first[0], RulePriority, fmt.Sprintf(
			"No node holds data, and %s has the lowest priority (%d).", first[0].Node, priority(first[0])))
	}
	zone, voters := e.largestZone()
	in := keep(first, func(c Candidate) bool { return zone != "" && c.Zone == zone })
	if len(in) > 0 && len(in) < len(first) {
		return decide(in[0], RuleZone, fmt.Sprintf(
			"No node holds data, and %s is in zone %s, which holds most of the group's nodes (%d).",
			in[0].Node, zone, voters))
	}
	return decide(first[0], RuleName, fmt.Sprintf(
		"No node holds data or is preferred, and %s is the first by name.", first[0].Node))
}

func priority(c Candidate) int {
	if c.Priority == 0 {
		return defaultPriority
	}
	return c.Priority
}

// largestZone is the zone with the most sentinels, or the most servers where the
// group has none: when the zones lose sight of each other, a master there stays
// on the side of the majority, and nothing fails over. It is empty when two
// zones hold equally many.
func (e *election) largestZone() (zone string, voters int) {
	nodes := e.g.Nodes
	if e.g.Topology == fleet.Sentinel {
		nodes = e.g.Sentinel.Nodes
	}
	count := map[string]int{}
	for _, c := range e.all {
		if c.Zone != "" && slices.Contains(nodes, c.Node) {
			count[c.Zone]++
		}
	}
	tie := false
	for z, n := range count {
		switch {
		case n > voters:
			zone, voters, tie = z, n, false
		case n == voters:
			tie = true
		}
	}
	if tie {
		return "", 0
	}
	return zone, voters
}

func keep(list []Candidate, want func(Candidate) bool) []Candidate {
	var out []Candidate
	for _, c := range list {
		if want(c) {
			out = append(out, c)
		}
	}
	return out
}
