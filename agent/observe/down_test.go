package observe

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// TestServerThatLoads: a server answers INFO while it loads, with no key yet. The
// fence must not take it for an empty one (promise no-empty-master).
func TestServerThatLoads(t *testing.T) {
	addr := fleet.Addr{Host: "n2", Port: 6379}
	view := serverView(addr, redis.Info{Role: fleet.RoleReplica, Loading: true, ReplID: "a"})
	d := fence.Decide(fence.Case{
		Topology: fleet.Replication, Self: fence.Self{Addr: fleet.Addr{Host: "n1", Port: 6379}},
		Servers: []fence.ServerView{view},
	})
	if !view.Answered || d.Start || d.Rule != "no-empty-master" {
		t.Errorf("beside a server that loads, an empty master gets %+v", d)
	}
}

// TestAsksNobody: only a first start in a group that nobody wrote to does without the
// others' answers (promise no-empty-master).
func TestAsksNobody(t *testing.T) {
	me, other := fleet.Addr{Host: "n1", Port: 6379}, fleet.Addr{Host: "n2", Port: 6379}
	data := converge.Disk{Dataset: fleet.Dataset{Present: true}}
	runs := map[fleet.Addr]bool{other: true}
	for name, tc := range map[string]struct {
		seed *fleet.Seed
		in   converge.Instance
		want bool
	}{
		"the group serves":                              {nil, converge.Instance{}, false},
		"the elected master":                            {&fleet.Seed{Master: me, Fresh: true}, converge.Instance{}, true},
		"the elected master, and a server runs":         {&fleet.Seed{Master: me, Fresh: true}, converge.Instance{Listening: runs}, false},
		"a replica":                                     {&fleet.Seed{Master: other, Fresh: true}, converge.Instance{Listening: runs}, true},
		"it ran before":                                 {&fleet.Seed{Master: other, Fresh: true}, converge.Instance{Memory: converge.Memory{Started: true}}, false},
		"the elected master of a group written to":      {&fleet.Seed{Master: me, Fresh: true, Written: true}, converge.Instance{}, false},
		"a replica of a group written to":               {&fleet.Seed{Master: other, Fresh: true, Written: true}, converge.Instance{}, false},
		"with data, in a group that began with data":    {&fleet.Seed{Master: other}, converge.Instance{Disk: data}, false},
		"without, in a group that began with data":      {&fleet.Seed{Master: other}, converge.Instance{}, true},
		"with data that nobody saw at a fresh election": {&fleet.Seed{Master: other, Fresh: true}, converge.Instance{Disk: data}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := fleet.InstanceGoal{Kind: fleet.KindRedis, Addr: me, Seed: tc.seed}
			if got := asksNobody(g, tc.in); got != tc.want {
				t.Errorf("asks nobody: %v, want %v", got, tc.want)
			}
		})
	}
}

// TestSilenceOfSelf: what the fence learns of a sentinel about the master and about the
// instance that asks, by whose address and nobody else's.
func TestSilenceOfSelf(t *testing.T) {
	me, other := fleet.Addr{Host: "n1", Port: 6379}, fleet.Addr{Host: "n2", Port: 6379}
	info := redis.View{Master: redis.Instance{LastAnswer: time.Second}, Replicas: []redis.Instance{
		{Addr: other, LastAnswer: time.Minute}, {Addr: me, LastAnswer: time.Hour},
	}}
	if v := sentinelView("n3", me, info); v.Silence != time.Second || v.SelfSilence != time.Hour {
		t.Errorf("%+v", v)
	}
	if v := sentinelView("n3", fleet.Addr{Host: "n3", Port: 6379}, info); v.SelfSilence != 0 {
		t.Errorf("of one that it does not know: %+v", v)
	}
}
