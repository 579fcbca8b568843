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
	goal := goal(fleet.KindRedis, nil)
	in := Instance{Identity: group, Memory: Memory{Started: true}, Asked: now, Sentinels: votes("n2")}
	steps := Plan(goal, Facts{Now: now, Instances: map[fleet.InstanceID]Instance{goal.Instances[0].ID: in}}).Steps
	if len(steps) != 1 || !steps[0].Asked.Equal(now) {
		t.Errorf("the step does not say when it was asked: %+v", steps)
	}
}
