package drill

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/switchover"
	"github.com/redfleet/redfleet/internal/verdict"
)

func addr(n int) fleet.Addr {
	return fleet.Addr{Host: "10.0.0." + string(rune('0'+n)), Port: 6379}
}

func target() Target {
	t := Target{Fleet: "shop", Group: "main", Kind: Failover, MasterName: "main", DownAfter: 5 * time.Second}
	for i, node := range []string{"n1", "n2", "n3"} {
		t.Servers = append(t.Servers, fleet.Member{Node: node, Addr: addr(i + 1)})
		t.Sentinels = append(t.Sentinels, fleet.Member{Node: node, Addr: fleet.Addr{Host: addr(i + 1).Host, Port: 26379}})
	}
	return t
}

// sound are facts that nothing stands against.
func sound() Facts {
	f := Facts{Verdict: verdict.Verdict{OK: true, Checks: []fleet.Check{{Name: "roles", OK: true}, {Name: "links", OK: true}}}}
	for _, m := range target().Sentinels {
		f.Sentinels = append(f.Sentinels, switchover.Sentinel{Member: m, Report: fleet.SentinelReport{Master: addr(1), MasterFlags: "master",
			Replicas: []fleet.SeenInstance{{Addr: addr(2), Flags: "slave", Promotable: true}, {Addr: addr(3), Flags: "slave", Promotable: true}}}})
	}
	return f
}

func each(f *Facts, edit func(r *fleet.SentinelReport)) {
	for i := range f.Sentinels {
		edit(&f.Sentinels[i].Report)
	}
}

// TestJudge: each thing that stands against a drill is named, nothing else is, and
// where something else would do, that is what is asked (hazards S6, S16, S18).
func TestJudge(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(f *Facts)
		force []string
		want  []string // names that refuse
		ask   string
	}{
		"nothing": {func(*Facts) {}, nil, nil, "n1"},
		"a check fails": {func(f *Facts) { f.Verdict.Checks[1].OK = false },
			nil, []string{"links"}, "n1"},
		"a check fails and is forced": {func(f *Facts) { f.Verdict.Checks[1].OK = false },
			[]string{"links"}, nil, "n1"},
		"another is forced": {func(f *Facts) { f.Verdict.Checks[1].OK = false },
			[]string{"roles"}, []string{"links"}, "n1"},
		"a request is open":        {func(f *Facts) { f.OpenRequests = []string{"x"} }, []string{ReasonRequest}, []string{ReasonRequest}, "n1"},
		"an agent holds the claim": {func(f *Facts) { f.Claim = "n1 claims it" }, []string{ReasonClaim}, []string{ReasonClaim}, "n1"},
		"one sentinel is silent": {func(f *Facts) { f.Sentinels[0].Error = "refused" },
			nil, nil, "n2"},
		"two are silent": {func(f *Facts) { f.Sentinels[0].Error, f.Sentinels[2].Error = "refused", "refused" },
			[]string{ReasonMajority}, []string{ReasonMajority}, ""},
		"none agrees with another": {func(f *Facts) {
			f.Sentinels[0].Report.Master, f.Sentinels[1].Report.Master = addr(2), addr(3)
		}, nil, []string{ReasonMajority}, ""},
		"one names another": {func(f *Facts) { f.Sentinels[0].Report.Master = addr(2) }, nil, nil, "n2"},
		"most see the master down": {func(f *Facts) {
			f.Sentinels[0].Report.MasterFlags, f.Sentinels[1].Report.MasterFlags = "master,s_down", "master,o_down"
		}, nil, []string{ReasonMajority}, ""},
		"a failover is under way": {func(f *Facts) {
			each(f, func(r *fleet.SentinelReport) { r.MasterFlags = "master,failover_in_progress" })
		},
			nil, []string{ReasonMajority}, ""},
		"one is in TILT": {func(f *Facts) { f.Sentinels[0].Report.Tilt = true }, []string{ReasonTilt}, []string{ReasonTilt}, "n2"},
		"the one in TILT is in the minority": {func(f *Facts) {
			f.Sentinels[0].Report.Tilt, f.Sentinels[0].Error = true, "refused"
		}, nil, nil, "n2"},
		"no replica can be promoted": {func(f *Facts) {
			each(f, func(r *fleet.SentinelReport) { r.Replicas = nil })
		}, []string{ReasonReplica}, []string{ReasonReplica}, ""},
		"each replica is down": {func(f *Facts) {
			each(f, func(r *fleet.SentinelReport) { r.Replicas[0].Flags, r.Replicas[1].Promotable = "slave,s_down", false })
		}, nil, []string{ReasonReplica}, ""},
		"one sentinel has no quorum": {func(f *Facts) { f.Sentinels[0].Report.CKQuorum = "NOQUORUM" }, nil, nil, "n2"},
		"they name a stranger":       {func(f *Facts) { each(f, func(r *fleet.SentinelReport) { r.Master = addr(9) }) }, nil, []string{ReasonMaster}, "n1"},
	} {
		f := sound()
		tt.spoil(&f)
		f.Verdict.OK = len(f.Verdict.Failed()) == 0
		j := Judge(target(), f, tt.force)
		var names []string
		for _, r := range j.Refused() {
			names = append(names, r.Name)
		}
		if !slices.Equal(names, tt.want) || j.Ask.Node != tt.ask {
			t.Errorf("%s: refused for %v, want %v; asked is %q, want %q: %+v", name, names, tt.want, j.Ask.Node, tt.ask, j)
		}
		if tt.want == nil && j.Master.Node != "n1" {
			t.Errorf("%s: the master is on %q", name, j.Master.Node)
		}
	}
}

// TestShortDownAfter: where writes cannot be held for long enough, no failover is
// planned; a failure may be rehearsed (hazard S13).
func TestShortDownAfter(t *testing.T) {
	t.Parallel()
	short := target()
	short.DownAfter = 3*time.Second - 1
	if refused := Judge(short, sound(), []string{ReasonHold}).Refused(); len(refused) != 1 || refused[0].Name != ReasonHold {
		t.Errorf("refused for %+v", refused)
	}
	short.Kind = Kill
	if refused := Judge(short, sound(), nil).Refused(); refused != nil {
		t.Errorf("refused for %+v", refused)
	}
	short.Kind, short.DownAfter = Failover, 3*time.Second
	if refused := Judge(short, sound(), nil).Refused(); refused != nil {
		t.Errorf("refused for %+v", refused)
	}
}

// TestInTheWay: a node that leaves and is the master waits for a failover, which its
// request must not hold up; every other one speaks against every drill.
func TestInTheWay(t *testing.T) {
	t.Parallel()
	open := []fleet.Request{{ID: "a", Phase: fleet.RequestForgetting}, {ID: "b", Phase: fleet.RequestMade}, {ID: "c", Phase: fleet.RequestLeaving}}
	for kind, want := range map[Kind]string{Failover: "ac", Kill: "abc", Isolate: "abc"} {
		got := ""
		for _, r := range InTheWay(kind, open) {
			got += r.ID
		}
		if got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

// TestSummary: what could not be compared is not called no loss.
func TestSummary(t *testing.T) {
	t.Parallel()
	text := strings.Join(Report{Kind: Isolate, Done: true, Move: Move{MasterBefore: "n1"}, Why: "roles: two masters"}.Summary(), "\n")
	for _, want := range []string{"nothing is known of lost writes", "not whole in the time given: roles: two masters", "no node that most sentinels name", "after the cut"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if text := strings.Join(Report{Done: true, Looked: true, Whole: true, WholeMS: 7}.Summary(), "\n"); !strings.Contains(text, "0 of the acknowledged writes were lost") ||
		!strings.Contains(text, "whole again after 7 ms") {
		t.Error(text)
	}
}

// TestNothingDone: a drill that did nothing to the group tells no gap, and does not say
// that the group is not whole.
func TestNothingDone(t *testing.T) {
	t.Parallel()
	h := history.History{Groups: []history.Group{{Name: "main"}}, Length: time.Second}
	r := Report{Kind: Failover, Move: Move{MasterBefore: "n1", MasterAfter: "n1"}}.Fill(h, history.Check(h))
	if text := r.Summary(); r.Done || len(text) != 1 || text[0] != "nothing was done to the group; its master is on n1" {
		t.Errorf("%+v: %q", r, text)
	}
	for text, s := range map[string]Switched{
		"the master is on n1 already; nothing was done":            {Move: Move{MasterBefore: "n1", MasterAfter: "n1"}, Whole: true},
		"the master is on n1 as before; writes were held for 7 ms": {Move: Move{MasterBefore: "n1", MasterAfter: "n1"}, HeldMS: 7},
	} {
		if got := s.Summary(); len(got) != 1 || got[0] != text {
			t.Errorf("%q, want %q", got, text)
		}
	}
}
