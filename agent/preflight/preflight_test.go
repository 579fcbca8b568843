package preflight

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Every check has an end, a name of its own and a reason, on a machine of which
// nothing at all is known.
func TestRunOnNothing(t *testing.T) {
	d := Run(t.Context(), &Input{Root: machine(t, nil)}, nil)
	if len(d.Checks) != len(Names()) {
		t.Fatalf("%d checks of %d", len(d.Checks), len(Names()))
	}
	seen := map[string]bool{}
	for i, r := range d.Checks {
		if seen[r.Name] || r.Name != Names()[i] || !fleet.ValidName(r.Name) || r.Why == "" || r.Found == "" || r.Status == "" {
			t.Errorf("%+v", r)
		}
		seen[r.Name] = true
	}
}

// A check that never answers ends with its deadline, and holds up no other.
func TestDeadline(t *testing.T) {
	stuck := by(func(ctx context.Context, _ *Input) (int, error) { <-ctx.Done(); return 0, nil }, func(*Input, int) Finding { return ok("fine") })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if f := stuck(ctx, &Input{}); f.Status != Warning || !strings.Contains(f.Found, "not found out within") {
		t.Errorf("%+v", f)
	}
}

func TestDocument(t *testing.T) {
	results := []Result{{Name: "a", Status: OK}, {Name: "b", Status: Warning}, {Name: "c", Status: Error}, {Name: "d", Status: NotApplicable}}
	d := document(&Input{Config: config()}, append([]Result{}, results...), nil)
	if d.OK || d.Errors != 1 || d.Warnings != 1 || d.Node != "n1" || d.Fleet != "shop" {
		t.Errorf("%+v", d)
	}
	d = document(&Input{Config: config()}, append([]Result{}, results...), []string{"c", "b", "a", "d"})
	want := []Result{{Name: "a", Status: OK}, {Name: "b", Status: Ignored, Was: Warning}, {Name: "c", Status: Ignored, Was: Error}, {Name: "d", Status: NotApplicable}}
	if !d.OK || d.Errors != 0 || d.Warnings != 0 {
		t.Errorf("ignored: %+v", d)
	}
	if diff := cmp.Diff(want, d.Checks); diff != "" {
		t.Error(diff)
	}
}

func TestCheckNames(t *testing.T) {
	if err := CheckNames([]string{"disk", "machine-id"}); err != nil {
		t.Error(err)
	}
	if err := CheckNames([]string{"disk", "hugepage"}); err == nil || !strings.Contains(err.Error(), `did you mean "hugepages"?`) {
		t.Errorf("a slip: %v", err)
	}
}

func TestPlans(t *testing.T) {
	spec := fleet.Spec{Fleet: fleet.FleetSpec{Name: "shop"}, Groups: []fleet.GroupSpec{
		{Name: "main", Nodes: []string{"n1", "n2"}, Sentinel: fleet.SentinelSpec{Nodes: []string{"n1", "n2", "n3"}, Announce: fleet.AnnounceHostname}},
		{Name: "other", Nodes: []string{"n4", "n5"}, Topology: fleet.Replication},
	}}.WithDefaults()
	got := OfSpec("s", spec, "n1", map[string]string{"n2": "10.0.0.2"})
	want := Plan{Source: "s", Names: true,
		Instances: []Instance{
			{ID: "redis-main-6379", Kind: fleet.KindRedis, Group: "main", Engine: "redis", Ports: []int{6379}},
			{ID: "sentinel-main-26379", Kind: fleet.KindSentinel, Group: "main", Engine: "redis", Ports: []int{26379}},
		},
		Peers: []Peer{
			{Node: "n2", Host: "10.0.0.2", Ports: []int{6379}},
			{Node: "n2", Host: "10.0.0.2", Ports: []int{26379}}, {Node: "n3", Ports: []int{26379}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("of a spec: %s", diff)
	}
	if got := OfSpec("s", spec, "n9", nil); len(got.Instances)+len(got.Peers) != 0 {
		t.Errorf("for a node of no group: %+v", got)
	}
	addr := func(host string, port int) fleet.Addr { return fleet.Addr{Host: host, Port: port} }
	goal := fleet.Goal{Node: "n1", Epoch: 7, Instances: []fleet.InstanceGoal{{
		ID: "redis-main-6379", Kind: fleet.KindRedis, Group: "main", Engine: "redis", Addr: addr("10.0.0.1", 6379),
		Servers:   []fleet.Member{{Node: "n1", Addr: addr("10.0.0.1", 6379)}, {Node: "n2", Addr: addr("10.0.0.2", 6379)}},
		Sentinels: []fleet.Member{{Node: "n2", Addr: addr("10.0.0.2", 26379)}},
	}}}
	want = Plan{Source: "goal 7",
		Instances: []Instance{{ID: "redis-main-6379", Kind: fleet.KindRedis, Group: "main", Engine: "redis", Ports: []int{6379}}},
		Peers:     []Peer{{Node: "n2", Host: "10.0.0.2", Ports: []int{6379}}, {Node: "n2", Host: "10.0.0.2", Ports: []int{26379}}},
	}
	if diff := cmp.Diff(want, OfGoal(goal)); diff != "" {
		t.Errorf("of a goal: %s", diff)
	}
}

// The bus of a Redis Cluster is ten thousand above the port (hazard R3).
func TestClusterBus(t *testing.T) {
	if diff := cmp.Diff([]int{7000, 17000}, portsOf(cluster, fleet.KindRedis, 7000)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{26379}, portsOf(fleet.Sentinel, fleet.KindSentinel, 26379)); diff != "" {
		t.Error(diff)
	}
}
