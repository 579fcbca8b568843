package rebuild

import (
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestAdoptionIsRebuilt: from the goals, with the ids that the sentinels keep.
func TestAdoptionIsRebuilt(t *testing.T) {
	goals := []fleet.Goal{{Node: "n1", Instances: []fleet.InstanceGoal{
		{Group: "main", Kind: fleet.KindSentinel, Sentinels: []fleet.Member{{Node: "n1", ID: "own"}}, Adopted: &fleet.Origin{Unit: "redis-sentinel.service"}},
		{Group: "main", Kind: fleet.KindRedis, Adopted: &fleet.Origin{Unit: "redis-server.service"}},
		{Group: "other", Kind: fleet.KindRedis},
	}}}
	a := adoption(goals, "main")
	if a == nil || len(a.Instances) != 2 || a.Instance("n1", fleet.KindSentinel).MyID != "own" || a.Instance("n1", fleet.KindRedis).From.Unit != "redis-server.service" {
		t.Errorf("rebuilt as %+v", a)
	}
	if adoption(goals, "other") != nil {
		t.Error("a group that was not adopted is one now")
	}
}
