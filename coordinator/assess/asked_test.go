package assess

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestStanding: a group that served is judged by the members that it has, whatever
// the spec says since; one that forms, by the spec.
func TestStanding(t *testing.T) {
	members := func(nodes ...string) []fleet.Member {
		var out []fleet.Member
		for _, n := range nodes {
			out = append(out, fleet.Member{Node: n})
		}
		return out
	}
	goal := func(edit func(*fleet.InstanceGoal)) fleet.InstanceGoal {
		g := fleet.InstanceGoal{GroupID: "1", Group: "main", Assigned: fleet.Running, Servers: members("n1", "n2", "n3"),
			Sentinels: members("n1", "n2"), Monitor: &fleet.Monitor{Quorum: 2}}
		edit(&g)
		return g
	}
	// Each of the others lacks one thing that the right one has.
	goals := map[string]fleet.Goal{
		"n0": {Instances: []fleet.InstanceGoal{
			goal(func(g *fleet.InstanceGoal) { g.GroupID, g.Servers = "old", members("x1") }),
			goal(func(g *fleet.InstanceGoal) { g.Group, g.Servers = "other", members("x2") }),
			goal(func(g *fleet.InstanceGoal) { g.Assigned, g.Servers = fleet.Held, members("x3") }),
			goal(func(g *fleet.InstanceGoal) { g.Servers = nil }),
		}},
		"n1": {Instances: []fleet.InstanceGoal{goal(func(*fleet.InstanceGoal) {})}},
	}
	spec := fleet.GroupSpec{Name: "main", Topology: fleet.Sentinel, Nodes: []string{"s1"}}
	spec.Sentinel.Nodes, spec.Sentinel.Quorum = []string{"s2"}, 1
	serving := fleet.Group{Name: "main", ID: "1", Phase: fleet.PhaseServing}
	with := func(m fleet.Membership) fleet.Group { g := serving; g.Members = &m; return g }
	type seen struct {
		Nodes, Sentinels []string
		Quorum           int
	}
	asSpec, asGoals := seen{[]string{"s1"}, []string{"s2"}, 1}, seen{[]string{"n1", "n2", "n3"}, []string{"n1", "n2"}, 2}
	for name, tt := range map[string]struct {
		group    *fleet.Group
		topology fleet.Topology
		want     seen
	}{
		"no record":             {nil, fleet.Sentinel, asSpec},
		"it forms":              {&fleet.Group{Name: "main", ID: "1", Phase: fleet.PhaseVerifying}, fleet.Sentinel, asSpec},
		"it serves":             {&serving, fleet.Sentinel, asGoals},
		"a token and no change": {ptr(with(fleet.Membership{Forgets: 1})), fleet.Sentinel, asGoals},
		"changed members": {ptr(with(fleet.Membership{Servers: []string{"m1"}, Sentinels: []string{"m2"}, Quorum: 5})), fleet.Sentinel,
			seen{[]string{"m1"}, []string{"m2"}, 5}},
		"changed members without sentinels": {ptr(with(fleet.Membership{Servers: []string{"m1"}})), fleet.Replication,
			seen{[]string{"m1"}, []string{"s2"}, 1}},
		"without sentinels": {&serving, fleet.Replication, seen{[]string{"n1", "n2", "n3"}, []string{"s2"}, 1}},
	} {
		w := fleet.World{Groups: map[string]fleet.Group{}, Goals: goals}
		if tt.group != nil {
			w.Groups["main"] = *tt.group
		}
		g := spec
		g.Topology = tt.topology
		g = standing(w, g)
		if d := cmp.Diff(tt.want, seen{g.Nodes, g.Sentinel.Nodes, g.Sentinel.Quorum}); d != "" {
			t.Errorf("%s: (-want +seen)\n%s", name, d)
		}
	}
}

func ptr(g fleet.Group) *fleet.Group { return &g }
