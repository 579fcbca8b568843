package state_test

import (
	"strings"
	"testing"

	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestJudge has each rule alone, each bound from both sides, and of two rules
// that hold the one that counts.
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		edit    func(n *state.Node, control *fleet.Control, g *fleet.Goal)
		verdict state.Verdict
		says    string
	}{
		{"the next goal", func(*state.Node, *fleet.Control, *fleet.Goal) {}, state.Take, ""},
		{"the first goal of a new node", func(n *state.Node, _ *fleet.Control, _ *fleet.Goal) { *n = state.Node{} }, state.Take, ""},
		{"the goal that it follows already", func(n *state.Node, _ *fleet.Control, g *fleet.Goal) { n.Epoch = g.Epoch }, state.Take, ""},
		{"a goal below the last plan, which changed other nodes", func(_ *state.Node, c *fleet.Control, _ *fleet.Goal) { c.Committed = 9 }, state.Take, ""},
		{"another node's goal", func(_ *state.Node, _ *fleet.Control, g *fleet.Goal) { g.Node = "n2" }, state.Refuse, `is for node "n2"`},
		{"another node's goal before any plan", func(_ *state.Node, c *fleet.Control, g *fleet.Goal) { g.Node, c.FleetID = "n2", "" }, state.Refuse, `is for node "n2"`},
		{"nothing is committed", func(_ *state.Node, c *fleet.Control, _ *fleet.Goal) { c.FleetID = "" }, state.Wait, "no plan is committed"},
		{"another fleet's Consul", func(n *state.Node, _ *fleet.Control, _ *fleet.Goal) { n.FleetID = "f0" }, state.Refuse, "this node belongs to fleet f0"},
		{"another fleet's Consul, with a goal of this one", func(_ *state.Node, c *fleet.Control, _ *fleet.Goal) { c.FleetID = "f2" }, state.Refuse, "Consul holds fleet f2"},
		{"another fleet's goal", func(_ *state.Node, _ *fleet.Control, g *fleet.Goal) { g.FleetID = "f2" }, state.Refuse, "the goal is of fleet f2"},
		{"another fleet's goal ahead of the commit", func(_ *state.Node, _ *fleet.Control, g *fleet.Goal) { g.FleetID, g.Epoch = "f2", 9 }, state.Refuse, "the goal is of fleet f2"},
		{"ahead of the commit", func(_ *state.Node, _ *fleet.Control, g *fleet.Goal) { g.Epoch = 6 }, state.Wait, "waits for its plan"},
		{"ahead of the commit and behind this node", func(n *state.Node, _ *fleet.Control, g *fleet.Goal) { n.Epoch, g.Epoch = 7, 6 }, state.Wait, "waits for its plan"},
		{"behind this node", func(n *state.Node, _ *fleet.Control, _ *fleet.Goal) { n.Epoch = 6 }, state.Refuse, "older than goal 6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := state.Node{FleetID: "f1", Epoch: 4}
			control := fleet.Control{FleetID: "f1", Committed: 5}
			goal := fleet.Goal{FleetID: "f1", Node: "n1", Epoch: 5}
			c.edit(&n, &control, &goal)
			verdict, reason := state.Judge("n1", n, control, goal)
			if verdict != c.verdict || !strings.Contains(reason, c.says) || (reason == "") != (verdict == state.Take) {
				t.Errorf("verdict %d, %q; want %d and %q", verdict, reason, c.verdict, c.says)
			}
		})
	}
}
