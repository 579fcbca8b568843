package rebuild

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
	var order []string
	for _, i := range adoption(append([]fleet.Goal{{Node: "n2", Instances: goals[0].Instances}}, goals...), "main").Instances {
		order = append(order, i.Node+" "+string(i.Kind))
	}
	if d := cmp.Diff([]string{"n1 redis", "n1 sentinel", "n2 redis", "n2 sentinel"}, order); d != "" {
		t.Errorf("the order (-want +got):\n%s", d)
	}
	if adoption(goals, "other") != nil {
		t.Error("a group that was not adopted is one now")
	}
}
