package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestDurabilityInGoals: the level stands in every server's goal as directives,
// and in no sentinel's; a plan on top of these goals changes nothing more.
func TestDurabilityInGoals(t *testing.T) {
	t.Parallel()
	w := assesstest.Healthy(fleet.Sentinel, 3)
	w.Spec.Spec.Groups[0].Durability = fleet.Bounded
	w.Spec.Spec.Groups[0].Config = fleet.Directives{"maxmemory": {"1gb"}}
	clear(w.Goals)
	w = carryOut(w, plan.Next(w, counter()))
	want := fleet.Directives{"maxmemory": {"1gb"}, "min-replicas-to-write": {"1"}, "min-replicas-max-lag": {"9"}}
	for node, goal := range w.Goals {
		for _, inst := range goal.Instances {
			wantHere := want
			if inst.Kind == fleet.KindSentinel {
				wantHere = nil
			}
			if diff := cmp.Diff(wantHere, inst.Config); diff != "" {
				t.Errorf("%s on %s: %s", inst.ID, node, diff)
			}
		}
	}
	if p := plan.Next(w, counter()); !p.Empty() {
		t.Errorf("the group does not come to rest: %+v", p.Goals)
	}
}

// TestOnCrashInGoals: only what is not the default stands there, so that the goals of
// groups from before stay as they are.
func TestOnCrashInGoals(t *testing.T) {
	t.Parallel()
	for on, want := range map[string]string{fleet.OnCrashFailover: "", fleet.OnCrashRestart: fleet.OnCrashRestart} {
		w := assesstest.Healthy(fleet.Sentinel, 3)
		w.Spec.Spec.Groups[0].OnCrash = on
		clear(w.Goals)
		for node, goal := range carryOut(w, plan.Next(w, counter())).Goals {
			if got := goal.Instances[0].Monitor.OnCrash; got != want {
				t.Errorf("%s: the goal of %s says %q, want %q", on, node, got, want)
			}
		}
	}
}
