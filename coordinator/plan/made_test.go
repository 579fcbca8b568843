package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

// planned is a serving group whose goals are the planner's own, all of them.
func planned(t *testing.T, topology fleet.Topology) fleet.World {
	t.Helper()
	w := assesstest.Healthy(topology, 3)
	w.Spec.Spec.Groups[0].Config = fleet.Directives{"maxmemory": {"1gb"}}
	clear(w.Goals)
	for i := 4; i <= 5; i++ { // nodes that a changed spec may name
		node := fmt.Sprintf("n%d", i)
		w.Reports[node] = fleet.ReportRecord{Alive: true, Report: fleet.Report{
			Format: fleet.Format, Node: node, Address: assesstest.Address(node),
			Engines: []fleet.EngineReport{{Name: fleet.EngineRedis, Version: "7.0.15"}},
		}}
	}
	w = carryOut(w, plan.Next(w, counter()))
	if p := plan.Next(w, counter()); !p.Empty() || len(w.Goals) != 3 {
		t.Fatalf("a serving group does not come to rest: %+v", p)
	}
	return w
}

// specChanges are what a spec that was written past `redfleet apply` can say of
// a group that runs.
func specChanges() map[string]func(g *fleet.GroupSpec) {
	return map[string]func(g *fleet.GroupSpec){
		"a node more":           func(g *fleet.GroupSpec) { g.Nodes = []string{"n1", "n2", "n3", "n4"} },
		"a node less":           func(g *fleet.GroupSpec) { g.Nodes = []string{"n1", "n2"} },
		"other nodes":           func(g *fleet.GroupSpec) { g.Nodes, g.Sentinel.Nodes = []string{"n4", "n5"}, []string{"n4", "n5"} },
		"another port":          func(g *fleet.GroupSpec) { g.Port = 7000 },
		"another sentinel port": func(g *fleet.GroupSpec) { g.Sentinel.Port = 27000 },
		"more sentinels":        func(g *fleet.GroupSpec) { g.Sentinel.Nodes = []string{"n1", "n2", "n3", "n4", "n5"} },
		"another quorum":        func(g *fleet.GroupSpec) { g.Sentinel.Quorum = 3 },
		"another master name":   func(g *fleet.GroupSpec) { g.Sentinel.MasterName = "other" },
		"other times": func(g *fleet.GroupSpec) {
			g.Sentinel.DownAfter, g.Sentinel.FailoverTimeout = fleet.Duration(time.Second), fleet.Duration(time.Minute)
		},
		"other settings":     func(g *fleet.GroupSpec) { g.Config = fleet.Directives{"maxmemory": {"2gb"}} },
		"another durability": func(g *fleet.GroupSpec) { g.Durability, g.MaxLag = fleet.Acknowledged, fleet.DefaultMaxLag },
		"another engine":     func(g *fleet.GroupSpec) { g.Engine = fleet.EngineValkey },
		"another service":    func(g *fleet.GroupSpec) { g.Service = "elsewhere" },
		"hostnames":          func(g *fleet.GroupSpec) { g.Sentinel.Announce = fleet.AnnounceHostname },
		"no sentinels any more": func(g *fleet.GroupSpec) {
			g.Topology, g.Sentinel = fleet.Replication, fleet.SentinelSpec{}
		},
		"sentinels where there were none": func(g *fleet.GroupSpec) {
			g.Topology = fleet.Sentinel
			g.Sentinel = fleet.SentinelSpec{Nodes: []string{"n1", "n2", "n3"}, Port: 26379, MasterName: "main", Quorum: 2, Announce: fleet.AnnounceHostname}
		},
	}
}

// TestASpecChangeMovesNothingThatRuns: changes of a group that exists are no
// part of redfleet yet. One that reaches Consul past `redfleet apply` must drop
// no instance, move no port and change no quorum.
func TestASpecChangeMovesNothingThatRuns(t *testing.T) {
	for _, topology := range []fleet.Topology{fleet.Sentinel, fleet.Replication} {
		for name, change := range specChanges() {
			t.Run(string(topology)+"/"+name, func(t *testing.T) {
				w := planned(t, topology)
				for node := range w.Reports {
					assesstest.Edit(w, node, func(r *fleet.ReportRecord) { r.Report.Hostname = node + ".example" })
				}
				before := maps.Clone(w.Goals)
				change(&w.Spec.Spec.Groups[0])
				if p := plan.Next(w, counter()); !p.Empty() {
					t.Errorf("the plan is %+v", p)
				}
				delete(w.Goals, "n2") // what is written anew is what was there
				w = carryOut(w, plan.Next(w, counter()))
				if d := cmp.Diff(before["n2"].Instances, w.Goals["n2"].Instances); d != "" {
					t.Errorf("the lost goal (-before +anew):\n%s", d)
				}
			})
		}
	}
}

// neighbours puts a second group, formed and with goals, on the same nodes.
func neighbours(t *testing.T) fleet.World {
	t.Helper()
	w := planned(t, fleet.Sentinel)
	second := w.Spec.Spec.Groups[0]
	second.Name, second.Port, second.Service = "second", 7000, "shop-second"
	second.Sentinel.Port, second.Sentinel.MasterName = 27000, "second"
	w.Spec.Spec.Groups = append(slices.Clone(w.Spec.Spec.Groups), second)
	w = carryOut(w, plan.Next(w, counter()))
	for node, g := range w.Goals {
		if len(g.Instances) != 4 {
			t.Fatalf("%s has %d instances, want 4", node, len(g.Instances))
		}
	}
	return w
}

// TestAGroupOutOfTheSpecStaysInTheGoals: its servers run beside another group's
// and must not be left to nobody, even where the other group's goals change.
func TestAGroupOutOfTheSpecStaysInTheGoals(t *testing.T) {
	cases := map[string]func(w *fleet.World){
		"left out of the spec": func(w *fleet.World) { w.Spec.Spec.Groups = w.Spec.Spec.Groups[1:] },
		"left out, its neighbour moves on": func(w *fleet.World) {
			w.Spec.Spec.Groups = w.Spec.Spec.Groups[1:]
			g := w.Groups["second"]
			g.Phase = fleet.PhaseServing
			w.Groups["second"] = g
		},
		"left out, a goal is lost": func(w *fleet.World) { w.Spec.Spec.Groups = w.Spec.Spec.Groups[1:]; delete(w.Goals, "n3") },
		"its record is lost":       func(w *fleet.World) { delete(w.Groups, "main") },
		"its record and spec are out": func(w *fleet.World) {
			delete(w.Groups, "main")
			w.Spec.Spec.Groups = w.Spec.Spec.Groups[1:]
		},
		"both are out": func(w *fleet.World) { w.Spec.Spec.Groups = nil },
	}
	for name, edit := range cases {
		t.Run(name, func(t *testing.T) {
			w := neighbours(t)
			edit(&w)
			p := plan.Next(w, counter())
			if len(p.Create) > 0 {
				t.Errorf("a group is elected: %+v", p.Create)
			}
			for node, g := range carryOut(w, p).Goals {
				count := map[string]int{}
				for _, inst := range g.Instances {
					count[inst.Group]++
				}
				if d := cmp.Diff(map[string]int{"main": 2, "second": 2}, count); d != "" {
					t.Errorf("the instances of %s by group (-want +got):\n%s", node, d)
				}
			}
		})
	}
}

// TestStanding: which of a group's goals tells how it was made.
func TestStanding(t *testing.T) {
	inst := func(kind fleet.Kind, service string) []fleet.InstanceGoal {
		return []fleet.InstanceGoal{{Group: "main", GroupID: "g", Kind: kind, Service: service, Assigned: fleet.Running, Servers: make([]fleet.Member, 1)}}
	}
	server, sentinel := fleet.KindRedis, fleet.KindSentinel
	type goal struct {
		epoch uint64
		kind  fleet.Kind
	}
	for name, tc := range map[string]struct {
		first, second goal
		want          string
	}{ // up to epoch 5 all are committed
		"a committed one before one that is not":   {goal{6, server}, goal{4, server}, "second"},
		"the one that was committed last":          {goal{6, server}, goal{5, server}, "second"},
		"whichever comes first":                    {goal{5, server}, goal{6, server}, "first"},
		"then a server's":                          {goal{5, sentinel}, goal{4, server}, "second"},
		"a server's that comes first":              {goal{4, server}, goal{5, sentinel}, "first"},
		"a sentinel's that is committed":           {goal{6, server}, goal{5, sentinel}, "second"},
		"then the higher epoch":                    {goal{4, server}, goal{5, server}, "second"},
		"a higher epoch that comes first":          {goal{5, server}, goal{4, server}, "first"},
		"of equal ones always that which is first": {goal{5, server}, goal{5, server}, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			w := fleet.World{Control: &fleet.Control{Committed: 5}, Goals: map[string]fleet.Goal{
				"n1": {Node: "n1", Epoch: tc.first.epoch, Instances: inst(tc.first.kind, "first")},
				"n2": {Node: "n2", Epoch: tc.second.epoch, Instances: inst(tc.second.kind, "second")},
			}}
			if got := plan.Standing(w, fleet.Group{Name: "main", ID: "g"}); got == nil || got.Service != tc.want {
				t.Errorf("it goes by %+v, want the %s one", got, tc.want)
			}
		})
	}
}
