package converge

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestStale: a start as the master goes with answers of two seconds at most; a replica
// harms nobody however late it starts (hazard S20).
func TestStale(t *testing.T) {
	now := time.Unix(1000, 0)
	master := Step{Kind: StartRedis, Asked: now.Add(-freshFor)}
	old, replica, sentinel := master, master, master
	old.Asked = old.Asked.Add(-time.Nanosecond)
	replica.Asked, replica.Follow = old.Asked, addr("n2", 6379)
	sentinel.Asked, sentinel.Kind = old.Asked, StartSentinel
	for name, tc := range map[string]struct {
		step Step
		want bool
	}{"in time": {master, false}, "too late": {old, true}, "a replica": {replica, false}, "a sentinel": {sentinel, false}, "never asked": {Step{Kind: StartRedis}, true}} {
		if got := tc.step.Stale(now); got != tc.want {
			t.Errorf("%s: stale %v, want %v", name, got, tc.want)
		}
	}
	for name, edit := range map[string]func(*Step){
		"the same":                    func(*Step) {},
		"asked later":                 func(s *Step) { s.Asked = s.Asked.Add(time.Minute) },
		"another role":                func(s *Step) { s.Follow = addr("n2", 6379) },
		"another priority":            func(s *Step) { s.Priority = 7 },
		"from a snapshot":             func(s *Step) { s.SnapshotFirst = true },
		"the master's role was given": func(s *Step) { s.GaveUp = GaveUp{Claim: "c1"} },
		"a quick restart":             func(s *Step) { s.Quick = true },
		"a sentinel":                  func(s *Step) { s.Kind = StartSentinel },
	} {
		again := master
		edit(&again)
		if got, want := master.SameStart(again), name == "the same" || name == "asked later"; got != want {
			t.Errorf("%s: the same start: %v, want %v", name, got, want)
		}
	}
	goal := goal(fleet.KindRedis, nil)
	in := Instance{Identity: group, Memory: Memory{Started: true}, Asked: now, Sentinels: votes("n2")}
	steps := Plan(goal, Facts{Now: now, Instances: map[fleet.InstanceID]Instance{goal.Instances[0].ID: in}}).Steps
	if len(steps) != 1 || !steps[0].Asked.Equal(now) {
		t.Errorf("the step does not say when it was asked: %+v", steps)
	}
}
