package sim

import "testing"

// TestTwoDecisions: which goals that nodes keep are two decisions about one group.
func TestTwoDecisions(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(d decisions)
		want   bool
	}{
		"nobody was told": {func(decisions) {}, false},
		"the same one": {func(d decisions) {
			d.follows("main", "a", "g2")
			d.follows("main", "b", "g2")
		}, false},
		"another group's":      {func(d decisions) { d.follows("more", "b", "g1") }, false},
		"another node's":       {func(d decisions) { d.follows("main", "b", "g1") }, true},
		"its own earlier one":  {func(d decisions) { d.follows("main", "a", "g1") }, true},
		"a disk went since":    {func(d decisions) { d.follows("main", "b", "g1"); d.wiped("b") }, false},
		"its own disk did":     {func(d decisions) { d.follows("main", "a", "g1"); d.wiped("a") }, false},
		"one disk of two went": {func(d decisions) { d.follows("main", "a", "g1"); d.follows("main", "b", "g1"); d.wiped("a") }, true},
		"told after its disk":  {func(d decisions) { d.wiped("b"); d.follows("main", "b", "g1") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := decisions{}
			tc.before(d)
			if got := d.follows("main", "a", "g2"); got != tc.want {
				t.Errorf("two decisions: %v, want %v", got, tc.want)
			}
		})
	}
}

// TestDecidedAnew: a node whose disk went follows nothing for the judge.
func TestDecidedAnew(t *testing.T) {
	w := court(t)
	n := w.nodes[0]
	w.judge.acted.follows("main", n.name, "g1")
	w.judge.wiped(n)
	if w.judge.acted.follows("main", n.name, "g2") {
		t.Error("what the disk held before it went counts as followed")
	}
}
