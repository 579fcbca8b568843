package sim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestKeepNothing: which nodes the operator leaves out after the last fault.
func TestKeepNothing(t *testing.T) {
	w := court(t)
	for _, n := range w.nodes[:2] {
		w.judge.epochs[n.name] = 1
	}
	w.judge.wiped(w.nodes[1])
	want := []string{}
	for _, n := range w.nodes[1:] { // its disk went; and those that no goal reached
		want = append(want, n.name)
	}
	if got := w.judge.keepNothing(); !slices.Equal(got, want) {
		t.Errorf("left out: %v, want %v", got, want)
	}
	w.judge.epochs[w.nodes[1].name] = 2 // a new one, which says nothing of what it was
	if got := w.judge.keepNothing(); !slices.Equal(got, want) {
		t.Errorf("left out: %v, want %v", got, want)
	}
}

// TestSetBackWhileForming: a group is not held to come back by itself where Consul was
// set back to before it was decided, and a member had not been told of it, or not of its
// password, by then.
func TestSetBackWhileForming(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after bool // whether Consul holds the control record when the snapshot is taken, and when it comes back
		told, secrets int
		want          bool
	}{
		"one was not told":                    {false, true, nodeCount - 1, nodeCount, true},
		"one has no password":                 {false, true, nodeCount, nodeCount - 1, true},
		"all were told":                       {false, true, nodeCount, nodeCount, false},
		"the snapshot knows of it":            {true, true, nodeCount - 1, nodeCount, false},
		"nothing was decided, nobody is told": {false, false, 0, 0, false},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			w := court(t)
			decide := func(yes bool) {
				if yes {
					w.consul.ask(http.MethodPut, "/v1/kv/"+keys.Control(), []byte(`{}`))
				}
			}
			decide(tc.before)
			undo, done := w.hitConsul(Event{Kind: Rollback, Target: w.nodes[0].name}, nil)
			if !done {
				t.Fatal("no snapshot")
			}
			decide(tc.after)
			for _, n := range w.nodes[:tc.told] {
				w.judge.epochs[n.name] = 1
			}
			for _, n := range w.nodes[:tc.secrets] {
				w.judge.keepsSecret(n)
			}
			undo()
			if got := w.judge.beyond(); got != tc.want {
				t.Errorf("beyond what comes back by itself: %v, want %v", got, tc.want)
			}
		})
	}
}

// TestRecoveredGoal: what is held of a goal that a recovery wrote.
func TestRecoveredGoal(t *testing.T) {
	for name, tc := range map[string]struct {
		recovered, followed string
		epoch, last         uint64
		keeps               bool
		want                string
	}{
		"the last one":                           {"g3", "g3", 3, 3, true, ""},
		"an older one, and the node has a newer": {"g3", "g3", 3, 4, true, "is not the last one that it followed, which is 4"},
		"a newer one than it follows now":        {"g3", "g3", 3, 2, true, "is not the last one that it followed, which is 2"},
		"another one of that epoch":              {"g3'", "g3", 3, 3, true, "is not one that it followed"},
		"one that it never had":                  {"g3", "", 3, 2, true, "is not one that it followed"},
		"offered, and then the disk went":        {"g3", "g3", 3, 0, false, ""},
		"the disk went, and it never had it":     {"g3", "", 3, 0, false, "is not one that it followed"},
		"the disk went, another of that epoch":   {"g3'", "g3", 3, 0, false, "is not one that it followed"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			if got := recoveredGoal(tc.recovered, tc.followed, tc.epoch, tc.last, tc.keeps); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
