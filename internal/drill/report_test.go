package drill

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/switchover"
)

// checkedDrill is a history of one fault, and what was found in it.
func checkedDrill() (history.History, history.Result) {
	h := history.History{Groups: []history.Group{{Name: "main", Kept: []history.Kept{{}}}},
		Faults: []history.Fault{{Number: 1, Start: 2 * time.Second, Whole: 5 * time.Second}}}
	return h, history.Result{Violations: []string{"v"}, Rows: []history.Row{
		{All: history.Found{Gap: 30 * time.Millisecond, Lost: 1, LostWaited: 1}},
		{All: history.Found{Gap: 400 * time.Millisecond, Acknowledged: 90, Failed: 8, Waited: 40, Lost: 2, LostWaited: 1,
			Dual: 20 * time.Millisecond, Isolated: 50 * time.Millisecond}},
	}}
}

// TestFill: the figures of the fault, with what was lost before it too.
func TestFill(t *testing.T) {
	t.Parallel()
	want := Report{Done: true, GapMS: 400, CalmGapMS: 30, Acknowledged: 90, Failed: 8, Lost: 3, Waited: 40, LostWaited: 2, DualMS: 20, AfterCutMS: 50,
		Whole: true, WholeMS: 3000, Looked: true, Violations: []string{"v"}}
	if diff := cmp.Diff(want, Report{}.Fill(checkedDrill())); diff != "" {
		t.Errorf("a whole drill (-want +got):\n%s", diff)
	}
	h, found := checkedDrill()
	h.Groups, h.Faults[0].Whole, h.Faults[0].Why = nil, 0, "links"
	want.Looked, want.Whole, want.WholeMS, want.Why = false, false, 0, "links"
	if diff := cmp.Diff(want, Report{}.Fill(h, found)); diff != "" {
		t.Errorf("not whole, and not compared (-want +got):\n%s", diff)
	}
	h, found = checkedDrill()
	h.Groups[0].Kept, found.Rows = nil, nil
	if diff := cmp.Diff(Report{Violations: []string{"v"}}, Report{}.Fill(h, found)); diff != "" {
		t.Errorf("nothing was recorded (-want +got):\n%s", diff)
	}
}

// TestClaims: a planned failover loses nothing; what a failure may lose is counted.
func TestClaims(t *testing.T) {
	t.Parallel()
	for kind, want := range map[Kind]int{Failover: 0, Kill: history.Unclaimed, Isolate: history.Unclaimed} {
		if c := Claims(kind, "main"); len(c) != 1 || c[0].Lost != want || c[0].Dual != time.Duration(want) || c[0].LostWaited != 0 {
			t.Errorf("%s claims %+v", kind, c)
		}
	}
}

// TestSwitchedSummary: what is not whole is not called whole.
func TestSwitchedSummary(t *testing.T) {
	t.Parallel()
	s := Switched{Move: Move{MasterBefore: "n1", MasterAfter: "n2"}, HeldMS: 900, Why: "links"}
	if text := strings.Join(s.Summary(), "\n"); !strings.Contains(text, "was on n1 and is on n2") || !strings.Contains(text, "is not whole: links") {
		t.Error(text)
	}
	s.Whole, s.WholeMS = true, 1200
	if text := strings.Join(s.Summary(), "\n"); !strings.Contains(text, "whole again after 1200 ms") {
		t.Error(text)
	}
}

// TestViews: who is silent names nobody.
func TestViews(t *testing.T) {
	t.Parallel()
	all := sound().Sentinels[:2]
	all[1] = switchover.Sentinel{Member: all[1].Member, Error: "refused"}
	if text := views(all); text != "n1 names "+addr(1).String()+" (master); n2 does not answer (refused)" {
		t.Error(text)
	}
}
