package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

// counter mints ids in order.
func counter() plan.Mint {
	n := 0
	return func() string { n++; return fmt.Sprintf("new-%d", n) }
}

// carryOut does to the records what a coordinator writes, all of it.
func carryOut(w fleet.World, p plan.Plan) fleet.World {
	if p.FleetID != "" {
		w.Control = &fleet.Control{Format: fleet.Format, FleetID: p.FleetID}
	}
	for _, g := range append(p.Create, p.Update...) {
		w.Groups[g.Name] = g
	}
	for _, g := range p.Goals {
		w.Goals[g.Node] = g
	}
	if len(p.Goals) > 0 {
		c := *w.Control
		c.Committed = p.Epoch
		w.Control = &c
	}
	return w
}

// served is a world in which the planner itself brought the group to serving.
func served(t *testing.T) fleet.World {
	t.Helper()
	w := assesstest.Healthy(fleet.Sentinel, 3)
	w = carryOut(w, plan.Next(w, counter()))
	if p := plan.Next(w, counter()); !p.Empty() {
		t.Fatalf("a serving group does not come to rest: %+v", p)
	}
	return w
}

func TestElection(t *testing.T) {
	w := assesstest.Fresh(fleet.Sentinel, 3)
	p := plan.Next(w, counter())
	if len(p.Create) != 1 || p.Create[0].Decision.Node != "n1" || p.FleetID == "" || len(p.Goals) != 3 || p.Epoch != 1 {
		t.Fatalf("the first plan is %+v", p)
	}
	if !p.Create[0].Fresh {
		t.Error("no node holds data, and the group does not count as fresh")
	}
	ids := map[string]bool{}
	for _, g := range p.Goals {
		if g.Epoch != p.Epoch || g.FleetID != p.FleetID || len(g.Instances) != 2 {
			t.Errorf("goal of %s: %+v", g.Node, g)
		}
		for _, inst := range g.Instances {
			if inst.Seed == nil || inst.Seed.Master != p.Create[0].Decision.Master || inst.Seed.Probe == "" {
				t.Errorf("%s on %s has the seed %+v", inst.ID, g.Node, inst.Seed)
			}
			for _, s := range inst.Sentinels {
				ids[s.ID] = true
			}
		}
	}
	if len(ids) != 3 {
		t.Errorf("the sentinels' ids are %v, want three", ids)
	}
	if p.Empty() {
		t.Error("a plan with an election counts as empty")
	}
	w = carryOut(w, p)
	if again := plan.Next(w, counter()); len(again.Create)+len(again.Goals) != 0 {
		t.Errorf("the plan after the first one elects or writes again: %+v", again)
	}
}

func TestServingTakesTheSeedAway(t *testing.T) {
	w := assesstest.Healthy(fleet.Sentinel, 3)
	assesstest.EditGroup(w, func(g *fleet.Group) { g.Phase, g.WriteProved, g.Probe = fleet.PhaseVerifying, false, assesstest.Probe })
	for node := range w.Reports {
		r := assesstest.Redis(w, node).Redis
		r.ProbeSeen, r.WriteRefused = assesstest.Probe, r.Role == fleet.RoleReplica
	}
	p := plan.Next(w, counter())
	if len(p.Update) != 1 || p.Update[0].Phase != fleet.PhaseServing || !p.Update[0].WriteProved {
		t.Fatalf("the plan is %+v", p)
	}
	for _, g := range carryOut(w, p).Goals {
		for _, inst := range g.Instances {
			if inst.Seed != nil {
				t.Errorf("%s on %s still states a role: %+v", inst.ID, g.Node, inst.Seed)
			}
		}
	}
}

// TestAFailoverChangesNoGoal is the promise sentinel-owns-master, seen from the
// coordinator: whoever is master, it writes nothing.
func TestAFailoverChangesNoGoal(t *testing.T) {
	w := served(t)
	assesstest.Promote(w, "n2")
	if p := plan.Next(w, counter()); !p.Empty() {
		t.Errorf("after a failover the plan is %+v", p)
	}
	assesstest.Kill(w, "n3")
	if p := plan.Next(w, counter()); !p.Empty() {
		t.Errorf("after a death the plan is %+v", p)
	}
}

func TestHalts(t *testing.T) {
	cases := map[string]struct {
		edit func(w *fleet.World)
		want string
	}{
		"an empty Consul under a fleet that lives": {func(w *fleet.World) {
			w.Control, w.Groups, w.Goals = nil, map[string]fleet.Group{}, map[string]fleet.Goal{}
		}, "Consul is empty or was rebuilt"},
		"another fleet's agents": {func(w *fleet.World) {
			assesstest.Edit(*w, "n2", func(r *fleet.ReportRecord) { r.Report.FleetID = "other" })
		}, "two fleets share this prefix"},
		"an unreadable group": {func(w *fleet.World) {
			delete(w.Groups, "main")
			w.Problems = map[string]string{"redfleet/shop/group/main": "redfleet/shop/group/main: garbage"}
		}, "garbage"},
		"an unreadable control record of a fleet called goal": {func(w *fleet.World) {
			w.Control = nil
			w.Problems = map[string]string{"redfleet/goal/control": "redfleet/goal/control: garbage"}
		}, "garbage"},
		"an unreadable spec": {func(w *fleet.World) {
			w.Spec = nil
			w.Problems = map[string]string{"redfleet/shop/spec": "redfleet/shop/spec: garbage"}
		}, "garbage"},
		"an unreadable control record": {func(w *fleet.World) {
			w.Control = nil
			w.Problems = map[string]string{"redfleet/shop/control": "redfleet/shop/control: garbage"}
		}, "garbage"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := served(t)
			tc.edit(&w)
			p := plan.Next(w, counter())
			if !strings.Contains(p.Halt, tc.want) || !p.Empty() {
				t.Errorf("halt is %q, want %q in it", p.Halt, tc.want)
			}
		})
	}
}

func TestEpochs(t *testing.T) {
	cases := map[string]struct {
		edit  func(w *fleet.World)
		nodes []string
		epoch func(committed uint64) uint64
	}{
		"an agent that followed the newest goal is not ahead": {func(w *fleet.World) {
			for node, goal := range w.Goals {
				assesstest.Edit(*w, node, func(r *fleet.ReportRecord) { r.Report.Epoch = goal.Epoch })
			}
		}, nil, func(uint64) uint64 { return 0 }},
		"a goal whose plan was never committed is written anew": {func(w *fleet.World) {
			g := w.Goals["n2"]
			g.Epoch += 5
			w.Goals["n2"] = g
		}, []string{"n2"}, func(c uint64) uint64 { return c + 6 }},
		"a lost goal is written anew": {func(w *fleet.World) { delete(w.Goals, "n3") },
			[]string{"n3"}, func(c uint64) uint64 { return c + 1 }},
		"agents that are ahead of a restored Consul are overtaken": {func(w *fleet.World) {
			for node := range w.Reports {
				assesstest.Edit(*w, node, func(r *fleet.ReportRecord) { r.Report.Epoch = w.Control.Committed + 7 })
			}
		}, []string{"n1", "n2", "n3"}, func(c uint64) uint64 { return c + 8 }},
		"epochs that were committed before Consul was restored are left out": {func(w *fleet.World) {
			delete(w.Goals, "n3")
			w.Highest = w.Control.Committed + 4
		}, []string{"n3"}, func(c uint64) uint64 { return c + 5 }},
		"an agent that tells later that it is ahead is overtaken too": {func(w *fleet.World) {
			ahead := w.Goals["n3"].Epoch + 1
			for _, node := range []string{"n1", "n2"} { // written anew before n3 had reported
				g := w.Goals[node]
				g.Epoch = ahead + 1
				w.Goals[node] = g
			}
			w.Control.Committed = ahead + 1
			assesstest.Edit(*w, "n3", func(r *fleet.ReportRecord) { r.Report.Epoch = ahead })
		}, []string{"n3"}, func(c uint64) uint64 { return c + 1 }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := served(t)
			tc.edit(&w)
			p := plan.Next(w, counter())
			var nodes []string
			for _, g := range p.Goals {
				nodes = append(nodes, g.Node)
			}
			if d := cmp.Diff(tc.nodes, nodes); d != "" {
				t.Errorf("goals (-want +got):\n%s", d)
			}
			if want := tc.epoch(w.Control.Committed); p.Epoch != want {
				t.Errorf("epoch %d, want %d", p.Epoch, want)
			}
		})
	}
}

// TestASilentNodeKeepsItsAddress: a node whose report is gone stays in the goals
// of the others.
func TestASilentNodeKeepsItsAddress(t *testing.T) {
	w := served(t)
	delete(w.Reports, "n3")
	if p := plan.Next(w, counter()); !p.Empty() {
		t.Errorf("a node without a report changes the goals: %+v", p.Goals)
	}
}

// TestASilentNodesAddressComesFromItsGroup: a goal that was lost is written anew as
// it was, though a server's node and a sentinel's are silent. Their addresses come
// from the group's own goals: not from another group's, nor from what a goal keeps
// down.
func TestASilentNodesAddressComesFromItsGroup(t *testing.T) {
	w := assesstest.Healthy(fleet.Sentinel, 3)
	w.Spec.Spec.Groups[0].Sentinel.Nodes = []string{"n1", "n2", "n4"}
	r := w.Reports["n2"].Report
	r.Node, r.Address, r.Instances = "n4", assesstest.Address("n4"), nil
	w.Reports["n4"] = fleet.ReportRecord{Report: r, Alive: true}
	clear(w.Goals)
	w = carryOut(w, plan.Next(w, counter()))
	before := w.Goals["n1"]
	wrong := fleet.Addr{Host: "192.168.0.9", Port: 6379}
	members := []fleet.Member{{Node: "n3", Addr: wrong}, {Node: "n4", Addr: wrong}}
	for node, goal := range w.Goals {
		traps := []fleet.InstanceGoal{
			{Group: "other", Assigned: fleet.Running, Servers: members, Sentinels: members},
			{Group: assesstest.Group, Assigned: fleet.Held, Servers: members, Sentinels: members},
		}
		goal.Instances = append(traps, goal.Instances...)
		w.Goals[node] = goal
	}
	delete(w.Goals, "n1")
	delete(w.Reports, "n3")
	delete(w.Reports, "n4")
	for _, goal := range plan.Next(w, counter()).Goals {
		if goal.Node == "n1" {
			own := slices.DeleteFunc(goal.Instances, func(i fleet.InstanceGoal) bool { return i.Group != assesstest.Group })
			if d := cmp.Diff(before.Instances, own); d != "" {
				t.Errorf("the lost goal (-before +anew):\n%s", d)
			}
			return
		}
	}
	t.Error("the lost goal is not written anew")
}

// TestPhases: a group moves on as it is seen, over a phase too, and not before.
func TestPhases(t *testing.T) {
	brokenLink := func(w fleet.World) { assesstest.Redis(w, "n2").Redis.Link = "down" }
	for name, tc := range map[string]struct {
		phase fleet.Phase
		edit  func(w fleet.World)
		want  fleet.Phase
	}{
		"starting, one is not up":               {fleet.PhaseStarting, func(w fleet.World) { assesstest.Redis(w, "n2").State = fleet.Prepared }, ""},
		"starting, all are up":                  {fleet.PhaseStarting, brokenLink, fleet.PhaseVerifying},
		"starting, every check holds":           {fleet.PhaseStarting, func(fleet.World) {}, fleet.PhaseServing},
		"verifying, a check fails":              {fleet.PhaseVerifying, brokenLink, ""},
		"verifying, every check holds":          {fleet.PhaseVerifying, func(fleet.World) {}, fleet.PhaseServing},
		"serving, a check fails: it goes on so": {fleet.PhaseServing, brokenLink, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := assesstest.Healthy(fleet.Sentinel, 3)
			assesstest.EditGroup(w, func(g *fleet.Group) { g.Phase, g.WriteProved, g.Probe = tc.phase, false, assesstest.Probe })
			for node := range w.Reports {
				r := assesstest.Redis(w, node).Redis
				r.ProbeSeen, r.WriteRefused = assesstest.Probe, r.Role == fleet.RoleReplica
			}
			tc.edit(w)
			p := plan.Next(w, counter())
			var got fleet.Phase
			if len(p.Update) > 0 {
				got = p.Update[0].Phase
			}
			if got != tc.want {
				t.Errorf("the next phase is %q, want %q", got, tc.want)
			}
		})
	}
}

// TestAHaltedPlanIsEmpty, whatever else it holds: nobody may write it.
func TestAHaltedPlanIsEmpty(t *testing.T) {
	for name, tc := range map[string]struct {
		p    plan.Plan
		want bool
	}{
		"nothing":              {plan.Plan{}, true},
		"a goal":               {plan.Plan{Goals: make([]fleet.Goal, 1)}, false},
		"a goal, and a reason": {plan.Plan{Goals: make([]fleet.Goal, 1), Halt: "strange agents"}, true},
	} {
		if got := tc.p.Empty(); got != tc.want {
			t.Errorf("%s: empty is %v", name, got)
		}
	}
}

func TestNothingWithoutASpec(t *testing.T) {
	w := served(t)
	w.Spec = nil
	if p := plan.Next(w, counter()); !p.Empty() {
		t.Errorf("without a spec the plan is %+v", p)
	}
}
