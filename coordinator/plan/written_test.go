package plan_test

import (
	"testing"

	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestWrittenWhileForming: the goals of a fresh group say so as soon as a server of it
// shows data while it forms, once, and never for redfleet's own probe, another group's
// data, or a group that began with data (promise no-empty-master).
func TestWrittenWhileForming(t *testing.T) {
	shows := func(node string) func(fleet.World) {
		return func(w fleet.World) { assesstest.Redis(w, node).Dataset = &fleet.Dataset{Present: true} }
	}
	for name, tc := range map[string]struct {
		fresh bool
		edit  func(w fleet.World)
		want  bool
	}{
		"nobody wrote":                {true, func(fleet.World) {}, false},
		"the master shows data":       {true, shows("n1"), true},
		"only a replica does":         {true, shows("n3"), true},
		"it began with data":          {false, shows("n1"), false},
		"another group's data":        {true, func(w fleet.World) { shows("n1")(w); assesstest.Redis(w, "n1").GroupID = "another" }, false},
		"its agent is gone meanwhile": {true, func(w fleet.World) { shows("n2")(w); gone(w, "n2") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := forming(t, tc.fresh)
			tc.edit(w)
			p := plan.Next(w, counter())
			w = carryOut(w, p)
			for _, g := range w.Groups {
				if g.Phase == fleet.PhaseServing || g.Written != tc.want || g.Fresh != tc.fresh {
					t.Errorf("the record says %+v, want written %v", g, tc.want)
				}
			}
			if wrote := len(p.Goals) > 0; wrote != tc.want {
				t.Errorf("goals were written: %v, want %v", wrote, tc.want)
			}
			for _, goal := range w.Goals {
				for _, i := range goal.Instances {
					if i.Seed == nil || i.Seed.Written != tc.want {
						t.Errorf("%s on %s has the seed %+v", i.ID, goal.Node, i.Seed)
					}
				}
			}
			if again := plan.Next(w, counter()); !again.Empty() {
				t.Errorf("it writes once more: %+v", again)
			}
		})
	}
}

// forming is a group between its first goals and the first check that all holds; its
// reports show no data.
func forming(t *testing.T, fresh bool) fleet.World {
	t.Helper()
	w := assesstest.Healthy(fleet.Sentinel, 3)
	assesstest.EditGroup(w, func(g *fleet.Group) {
		g.Phase, g.WriteProved, g.Fresh, g.Probe = fleet.PhaseStarting, false, fresh, assesstest.Probe
	})
	for _, node := range []string{"n1", "n2", "n3"} {
		assesstest.Redis(w, node).Dataset = &fleet.Dataset{}
	}
	assesstest.Redis(w, "n2").State = fleet.Prepared // so that it stays at that
	w = carryOut(w, plan.Next(w, counter()))
	if p := plan.Next(w, counter()); !p.Empty() {
		t.Fatalf("a forming group does not come to rest: %+v", p)
	}
	return w
}

// gone takes a node's session: its agent does not report any more.
func gone(w fleet.World, node string) {
	assesstest.Edit(w, node, func(r *fleet.ReportRecord) { r.Alive = false })
}
