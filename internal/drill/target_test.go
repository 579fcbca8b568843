package drill

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/switchover"
)

// TestTargetOf: a group is described by the goal of a server of it that is to run and
// has sentinels, and by nothing else.
func TestTargetOf(t *testing.T) {
	t.Parallel()
	members := target()
	sound := fleet.InstanceGoal{Group: "main", Kind: fleet.KindRedis, Assigned: fleet.Running, Servers: members.Servers, Sentinels: members.Sentinels,
		Monitor: &fleet.Monitor{MasterName: "main-1", Open: true, DownAfter: fleet.Duration(5 * time.Second)}}
	world := func(g fleet.InstanceGoal) fleet.World {
		return fleet.World{Goals: map[string]fleet.Goal{"n1": {Instances: []fleet.InstanceGoal{g}}}}
	}
	want := Target{Fleet: "shop", Group: "main", Kind: Kill, MasterName: "main-1", Open: true, DownAfter: 5 * time.Second,
		Servers: members.Servers, Sentinels: members.Sentinels}
	got, ok := TargetOf(world(sound), "shop", "main", Kill)
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("without a spec (-want +got):\n%s", diff)
	}
	w := world(sound)
	w.Spec = &fleet.SpecRecord{Spec: fleet.Spec{Groups: []fleet.GroupSpec{{Name: "main", Durability: fleet.Bounded}}}}
	if got, _ := TargetOf(w, "shop", "main", Kill); got.Durability != string(fleet.Bounded) {
		t.Errorf("the durability of the spec is %q", got.Durability)
	}
	for name, spoil := range map[string]func(g *fleet.InstanceGoal){
		"another group":      func(g *fleet.InstanceGoal) { g.Group = "other" },
		"a sentinel":         func(g *fleet.InstanceGoal) { g.Kind = fleet.KindSentinel },
		"not to run":         func(g *fleet.InstanceGoal) { g.Assigned = fleet.Prepared },
		"without a monitor":  func(g *fleet.InstanceGoal) { g.Monitor = nil },
		"without a sentinel": func(g *fleet.InstanceGoal) { g.Sentinels = nil },
	} {
		g := sound
		spoil(&g)
		if got, ok := TargetOf(world(g), "shop", "main", Kill); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestOnMachine: only a planned failover is done from anywhere.
func TestOnMachine(t *testing.T) {
	t.Parallel()
	if !Kill.OnMachine() || !Isolate.OnMachine() || Failover.OnMachine() {
		t.Error("a kill and an isolation are done on the master's machine, a failover is not")
	}
}

// TestNewMaster: more than half of the group's sentinels name it, and one that does not
// answer names nobody.
func TestNewMaster(t *testing.T) {
	t.Parallel()
	names := func(n int) switchover.Sentinel {
		return switchover.Sentinel{Report: fleet.SentinelReport{Master: addr(n)}}
	}
	silent := switchover.Sentinel{Error: "refused", Report: fleet.SentinelReport{Master: addr(2)}}
	for name, tt := range map[string]struct {
		all  []switchover.Sentinel
		want int // 0: nobody
	}{
		"all":                     {[]switchover.Sentinel{names(2), names(2), names(2)}, 2},
		"most":                    {[]switchover.Sentinel{names(1), names(2), names(2)}, 2},
		"one of three":            {[]switchover.Sentinel{names(2)}, 0},
		"one, and one is silent":  {[]switchover.Sentinel{names(2), silent}, 0},
		"two name nobody":         {[]switchover.Sentinel{{}, {}, names(2)}, 0},
		"each names another":      {[]switchover.Sentinel{names(1), names(2), names(3)}, 0},
		"one in TILT says it too": {[]switchover.Sentinel{names(2), {Report: fleet.SentinelReport{Master: addr(2), Tilt: true}}}, 2},
	} {
		got, ok := NewMaster(target(), tt.all)
		if ok != (tt.want > 0) || ok && got != addr(tt.want) {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
}
