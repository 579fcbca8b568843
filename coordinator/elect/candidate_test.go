package elect_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/elect"
	"github.com/redfleet/redfleet/internal/fleet"
)

func report(name string) fleet.ReportRecord {
	return fleet.ReportRecord{Alive: true, Report: fleet.Report{
		Node: name, Address: addr(name).Host, Hostname: name + ".example", Priority: 5, Zone: "z",
		Engines: []fleet.EngineReport{{Name: fleet.EngineRedis, Version: "7.0.15"}},
	}}
}

func TestCandidatesFromReports(t *testing.T) {
	t.Parallel()
	full := report("n1")
	full.Report.Instances = []fleet.InstanceReport{
		{Group: "main", GroupID: "g7", Kind: fleet.KindRedis, State: fleet.Running, Addr: addr("n1"),
			Dataset: &fleet.Dataset{Present: true, ReplID: idA, Offset: 3}, Redis: &fleet.RedisReport{Role: fleet.RoleMaster}},
		{Group: "main", GroupID: "g7", Kind: fleet.KindSentinel, Sentinel: &fleet.SentinelReport{
			Master: addr("n1"), ConfigEpoch: 4, Replicas: []fleet.SeenInstance{{Addr: addr("n2")}}}},
		{Group: "other", GroupID: "g8", Kind: fleet.KindRedis, Dataset: &fleet.Dataset{Present: true}},
	}
	outsider := report("n9")
	outsider.Report.Instances = []fleet.InstanceReport{{Group: "main", GroupID: "g7", Kind: fleet.KindRedis}}
	got := elect.Candidates(group(), map[string]fleet.ReportRecord{"n1": full, "n2": report("n2"), "n9": outsider, "n8": report("n8")})

	var names []string
	for _, c := range got {
		names = append(names, c.Node)
	}
	if diff := cmp.Diff([]string{"n1", "n2", "n3", "n9"}, names); diff != "" {
		t.Fatal(diff)
	}
	want := elect.Candidate{
		Node: "n1", Addr: addr("n1"), Priority: 5, Zone: "z", RunsMaster: true,
		Also:     []fleet.Addr{addr("n1"), {Host: "n1.example", Port: 6379}, addr("n1")},
		Dataset:  fleet.Dataset{Present: true, ReplID: idA, Offset: 3},
		State:    &elect.SentinelState{Master: addr("n1"), Epoch: 4, Replicas: []fleet.Addr{addr("n2")}},
		GroupIDs: []string{"g7"},
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
}

func TestWhyANodeIsOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*fleet.ReportRecord)
		want string
	}{
		{"in", func(*fleet.ReportRecord) {}, ""},
		{"unreadable", func(r *fleet.ReportRecord) { r.Problem = "no JSON" }, "its report cannot be read: no JSON"},
		{"agent gone", func(r *fleet.ReportRecord) { r.Alive = false }, "its agent is gone"},
		{"refuses its goal", func(r *fleet.ReportRecord) { r.Report.Problem = "its name is taken" }, "its name is taken"},
		{"no address", func(r *fleet.ReportRecord) { r.Report.Address = "" }, "its report names no address"},
		{"unreadable and gone", func(r *fleet.ReportRecord) { r.Problem, r.Alive = "no JSON", false }, "its report cannot be read: no JSON"},
		{"gone after it refused its goal", func(r *fleet.ReportRecord) { r.Alive, r.Report.Problem = false, "its name is taken" }, "its agent is gone"},
		{"refuses its goal and has no address", func(r *fleet.ReportRecord) { r.Report.Problem, r.Report.Address = "its name is taken", "" }, "its name is taken"},
		{"engine too old", func(r *fleet.ReportRecord) { r.Report.Engines[0].Problem = "redis 6.0 is too old" }, "redis 6.0 is too old"},
		{"another engine", func(r *fleet.ReportRecord) { r.Report.Engines[0].Name = fleet.EngineValkey }, "redis is not installed"},
		{"engines not told", func(r *fleet.ReportRecord) { r.Report.Engines = nil }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := report("n1")
			c.edit(&r)
			if got := elect.Candidates(group(), map[string]fleet.ReportRecord{"n1": r})[0].Out; got != c.want {
				t.Errorf("out: %q, want %q", got, c.want)
			}
		})
	}
}

func TestSentinelNodesNeedNoEngineOfTheirOwnButMustBeIn(t *testing.T) {
	t.Parallel()
	g := group()
	g.Sentinel.Nodes = []string{"n1", "n2", "n7"}
	if diff := cmp.Diff([]string{"n1", "n2", "n3", "n7"}, elect.Nodes(g)); diff != "" {
		t.Error(diff)
	}
	g.Topology = fleet.Replication
	if diff := cmp.Diff([]string{"n1", "n2", "n3"}, elect.Nodes(g)); diff != "" {
		t.Error(diff)
	}
}

// TestNamesAndAddressesMeanOneNode: a state written while the group announced
// names still names its master after it announces addresses (hazard S11).
func TestNamesAndAddressesMeanOneNode(t *testing.T) {
	t.Parallel()
	reports := map[string]fleet.ReportRecord{}
	for _, n := range []string{"n1", "n2", "n3"} {
		r := report(n)
		r.Report.Instances = []fleet.InstanceReport{
			{Group: "main", Kind: fleet.KindRedis, Dataset: &fleet.Dataset{Present: true, ReplID: idA, Offset: 3}},
			{Group: "main", Kind: fleet.KindSentinel, Sentinel: &fleet.SentinelReport{
				Master: fleet.Addr{Host: "n2.example", Port: 6379}, ConfigEpoch: 4}},
		}
		reports[n] = r
	}
	g := group()
	for _, announce := range []string{fleet.AnnounceAddress, fleet.AnnounceHostname} {
		g.Sentinel.Announce = announce
		d, err := elect.Initial(g, elect.Candidates(g, reports), "")
		if err != nil || d.Node != "n2" || d.Rule != elect.RuleSentinelState {
			t.Errorf("announce %s: %+v, %v", announce, d, err)
		}
		if want := (fleet.Addr{Host: "n2.example", Port: 6379}); (announce == fleet.AnnounceHostname) != (d.Master == want) {
			t.Errorf("announce %s: the master is to be reached at %s", announce, d.Master)
		}
	}
}
