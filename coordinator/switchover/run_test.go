package switchover

import (
	"testing"
	"time"
)

// TestPlanned: clients write through the sentinels while the
// master is switched; no acknowledged write is lost, and never do two servers take
// writes (hazard S13). TestPlannedLong does it many times at each
// durability, with clients that do not pause.
func TestPlanned(t *testing.T) {
	t.Parallel()
	planned(t, newPatientGroup(t), 1, time.Millisecond)
}

// planned switches the master of a group so many times, while each of its clients
// pauses between two writes.
func planned(t *testing.T, g *group, rounds int, pause time.Duration) {
	t.Helper()
	g.record(4, pause)
	var began []time.Duration
	var outcomes []Outcome
	for round := range rounds {
		if round > 0 {
			g.ready()
		}
		began = append(began, g.rec.Now())
		out, err := Run(t.Context(), g.options(nil))
		if err != nil || out.To.Node == "" || out.To.Node == out.From.Node || len(out.Warnings) > 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		outcomes = append(outcomes, out)
		if master := g.whole(); master.Node != out.To.Node {
			t.Fatalf("%s is master, and not %s", master.Node, out.To.Node)
		}
		g.writing(100)
	}
	judged(t, g.judge(began...), outcomes)
}

// goesOn: the master is who it was, it takes writes, and none was lost.
func (g *group) goesOn(out Outcome) {
	g.t.Helper()
	g.writing(100)
	if found := g.judge()[0]; found.Lost > 0 || found.Dual > 0 {
		g.t.Errorf("%+v", found)
	}
	if master := g.whole(); master.Node != out.From.Node {
		g.t.Errorf("%s is master, and not %s", master.Node, out.From.Node)
	}
}
