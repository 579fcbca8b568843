package plan_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestMembersOfAChangedGroup: the record says who the members are, the goals follow it,
// and the node that left is told to stay down, for good.
func TestMembersOfAChangedGroup(t *testing.T) {
	w := served(t)
	r := w.Reports["n2"].Report
	r.Node, r.Address, r.Instances = "n4", assesstest.Address("n4"), nil
	w.Reports["n4"] = fleet.ReportRecord{Report: r, Alive: true}
	before := w.Goals["n3"]
	assesstest.EditGroup(w, func(g *fleet.Group) {
		g.Members = &fleet.Membership{Change: 1, Servers: []string{"n1", "n2", "n4"}, Sentinels: []string{"n1", "n2", "n4"}, Quorum: 2,
			Retired: []string{"n3"}, Forget: &fleet.Forget{Node: "n2", Token: "r-1"}}
	})
	w = carryOut(w, plan.Next(w, counter()))
	for _, inst := range w.Goals["n3"].Instances {
		if inst.Assigned != fleet.Held || inst.Forget != "" {
			t.Errorf("%s on n3: %+v", inst.ID, inst)
		}
	}
	if len(w.Goals["n3"].Instances) != len(before.Instances) {
		t.Error("n3 is not told of all that it has")
	}
	for _, node := range []string{"n1", "n2", "n4"} {
		if len(w.Goals[node].Instances) != 2 {
			t.Fatalf("%s has %d instances", node, len(w.Goals[node].Instances))
		}
		for _, inst := range w.Goals[node].Instances {
			var names []string
			for _, m := range slices.Concat(inst.Servers, inst.Sentinels) {
				names = append(names, m.Node)
			}
			if d := cmp.Diff([]string{"n1", "n2", "n4", "n1", "n2", "n4"}, names); d != "" {
				t.Errorf("%s on %s: %s", inst.ID, node, d)
			}
			want := ""
			if node == "n2" && inst.Kind == fleet.KindSentinel {
				want = "r-1"
			}
			if inst.Forget != want || inst.Change != 1 || inst.Seed != nil || inst.Assigned != fleet.Running {
				t.Errorf("%s on %s: %+v", inst.ID, node, inst)
			}
		}
	}
	if p := plan.Next(w, counter()); !p.Empty() {
		t.Errorf("it does not come to rest: %+v", p)
	}
	// It is a member again: what it was told before is no longer said.
	assesstest.EditGroup(w, func(g *fleet.Group) {
		m := *g.Members
		m.Change, m.Retired, m.Forget = 2, []string{"n2"}, nil
		m.Servers, m.Sentinels = []string{"n1", "n3", "n4"}, []string{"n1", "n3", "n4"}
		g.Members = &m
	})
	w = carryOut(w, plan.Next(w, counter()))
	for node, want := range map[string]fleet.State{"n3": fleet.Running, "n2": fleet.Held} {
		for _, inst := range w.Goals[node].Instances {
			if inst.Assigned != want {
				t.Errorf("%s on %s is assigned %s", inst.ID, node, inst.Assigned)
			}
		}
	}
}

// TestARecordWithoutMembers: a membership that names nobody moves nothing.
func TestARecordWithoutMembers(t *testing.T) {
	w := served(t)
	assesstest.EditGroup(w, func(g *fleet.Group) { g.Members = &fleet.Membership{} })
	if p := plan.Next(w, counter()); len(p.Goals) > 0 {
		t.Errorf("the plan is %+v", p)
	}
}
