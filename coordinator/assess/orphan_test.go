package assess_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess"
	at "github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestWhatAnOrphanDoes: the instances of a group that no spec names are told as
// their agents see them.
func TestWhatAnOrphanDoes(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 5)
	w.Spec = nil
	at.Redis(w, "n2").Redis.Link = "down"
	at.Redis(w, "n3").State = fleet.Held
	at.Redis(w, "n4").Redis = nil
	at.SentinelOn(w, "n2").State = fleet.Held
	// Whatever else it carries, a sentinel is never the master.
	at.SentinelOn(w, "n1").Redis = &fleet.RedisReport{Role: fleet.RoleMaster}
	slices.Reverse(w.Reports["n1"].Report.Instances)
	a := assess.Fleet(w)[0]
	replicas := []fleet.ReplicaStatus{
		{Node: "n2", Addr: at.Server("n2"), Link: "down"}, {Node: "n3", Addr: at.Server("n3"), Link: "down"},
		{Node: "n4", Addr: at.Server("n4"), Link: "down"}, {Node: "n5", Addr: at.Server("n5"), Link: "up"},
	}
	if d := cmp.Diff(replicas, a.Replicas); d != "" {
		t.Error(d)
	}
	if len(a.Sentinels) != 5 || !a.Sentinels[0].OK || a.Sentinels[1].OK {
		t.Errorf("the sentinels are %+v", a.Sentinels)
	}
	if a.Master == nil || a.Master.Addr != at.Server("n1") || a.Topology != fleet.Sentinel || a.CredentialsVersion != 1 {
		t.Errorf("master %v, topology %s, credentials %d", a.Master, a.Topology, a.CredentialsVersion)
	}
}

// TestOrphanReasons: who reports the group, as a sentence.
func TestOrphanReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		nodes int
		want  string
	}{
		{"nobody", 0, "the spec does not name group main, but Consul holds its record, and nothing reports it; " +
			"nothing is changed on the nodes; apply the spec again."},
		{"one agent", 1, "the spec does not name group main, but Consul holds its record, and 1 agent reports it (n1); " +
			"nothing is changed on the nodes; apply the spec again."},
		{"two agents", 2, "the spec does not name group main, but Consul holds its record, and 2 agents report it (n1 and n2); " +
			"nothing is changed on the nodes; apply the spec again."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Replication, c.nodes)
			w.Spec.Spec.Groups = nil
			a := assess.Fleet(w)[0]
			if a.Reason != c.want || a.Topology != fleet.Replication {
				t.Errorf("topology %s: %s", a.Topology, a.Reason)
			}
		})
	}
}
