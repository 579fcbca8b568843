package fleet

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// namedSpec is a spec with nothing but names: all that an operator must write.
func namedSpec(nodes ...string) Spec {
	return Spec{Fleet: FleetSpec{Name: "shop"}, Groups: []GroupSpec{{Name: "sessions", Nodes: nodes}}}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s := namedSpec("n1", "n2", "n3")
	want := GroupSpec{
		Name: "sessions", Topology: Sentinel, Engine: "redis", Nodes: []string{"n1", "n2", "n3"}, Port: 6379,
		Password: PasswordSpec{Generate: true}, Service: "shop-sessions", Durability: Fast, OnCrash: OnCrashFailover,
		Sentinel: SentinelSpec{
			Nodes: []string{"n1", "n2", "n3"}, Port: 26379, MasterName: "sessions", Quorum: 2,
			DownAfter: Duration(5 * time.Second), FailoverTimeout: Duration(time.Minute), ParallelSyncs: 1, Announce: "address",
		},
	}
	got := s.WithDefaults()
	if diff := cmp.Diff(want, got.Groups[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(got, got.WithDefaults()); diff != "" {
		t.Errorf("twice is not once:\n%s", diff)
	}
	if diff := cmp.Diff(namedSpec("n1", "n2", "n3"), s); diff != "" {
		t.Errorf("the spec itself was changed:\n%s", diff)
	}
	got.Groups[0].Sentinel.Nodes[0] = "other"
	if got.Groups[0].Nodes[0] != "n1" {
		t.Error("the sentinels' nodes are the group's own slice")
	}
}

func TestDefaultsKeepWhatIsWritten(t *testing.T) {
	t.Parallel()
	g := GroupSpec{
		Name: "g", Topology: Sentinel, Engine: "valkey", Nodes: []string{"a", "b", "c"}, Port: 7000,
		Password: PasswordSpec{File: "/p"}, Service: "s", Prefer: "b", OnCrash: OnCrashFailover, Durability: Bounded, MaxLag: Duration(4 * time.Second), Config: Directives{"hz": {"20"}},
		Sentinel: SentinelSpec{
			Nodes: []string{"x", "y", "z"}, Port: 7001, MasterName: "m", Quorum: 3, DownAfter: Duration(time.Second),
			FailoverTimeout: Duration(2 * time.Second), ParallelSyncs: 2, Announce: "hostname",
		},
	}
	s := Spec{Fleet: FleetSpec{Name: "f"}, Groups: []GroupSpec{g}}
	if diff := cmp.Diff(g, s.WithDefaults().Groups[0]); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultSentinels(t *testing.T) {
	t.Parallel()
	all := []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"}
	tests := []struct{ nodes, sentinels, quorum int }{
		{0, 0, 1}, {1, 1, 1}, {2, 2, 2}, {3, 3, 2}, {4, 3, 2}, {5, 5, 3}, {6, 5, 3}, {7, 7, 4}, {8, 7, 4}, {9, 7, 4},
	}
	for _, tt := range tests {
		got := namedSpec(all[:tt.nodes]...).WithDefaults().Groups[0].Sentinel
		if len(got.Nodes) != tt.sentinels || got.Quorum != tt.quorum {
			t.Errorf("%d nodes: got %d sentinels with quorum %d; want %d with %d",
				tt.nodes, len(got.Nodes), got.Quorum, tt.sentinels, tt.quorum)
		}
	}
}

func TestReplicationHasNoSentinels(t *testing.T) {
	t.Parallel()
	s := namedSpec("n1", "n2")
	s.Groups[0].Topology = Replication
	s = s.WithDefaults()
	if diff := cmp.Diff(SentinelSpec{}, s.Groups[0].Sentinel); diff != "" {
		t.Error(diff)
	}
	if warnings, errs := s.Validate(); len(warnings)+len(errs) > 0 {
		t.Errorf("got %v, %v", warnings, errs)
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"60s": "1m", "5s": "5s", "1500ms": "1.5s", "2h": "2h", "90m": "1h30m", "0s": "0s", "10m10s": "10m10s"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if d.String() != want {
			t.Errorf("%s: got %s, want %s", text, d, want)
		}
	}
}
