package assess_test

import (
	"testing"

	"github.com/redfleet/redfleet/coordinator/assess"
	at "github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestReasonsInFull: the one sentence that an operator acts on, word for word.
func TestReasonsInFull(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		topology fleet.Topology
		do       func(w fleet.World)
		says     string
	}{
		{"writes refused, every replica follows", fleet.Sentinel, func(w fleet.World) {
			at.Redis(w, "n1").Redis.MinReplicas = 1
		}, "n1 refuses writes (NOREPLICAS): 0 replicas answered in time and min-replicas-to-write wants 1."},
		{"writes refused, and who is to come back: down, without a link, at another master", fleet.Sentinel, func(w fleet.World) {
			at.Redis(w, "n1").Redis.MinReplicas = 1
			at.Redis(w, "n2").Redis.Link = "down"
			at.Redis(w, "n3").Redis.Master = at.Server("n2")
			at.Redis(w, "n4").State, at.Redis(w, "n4").Redis = fleet.Held, nil
		}, "n1 refuses writes (NOREPLICAS): 0 replicas answered in time and min-replicas-to-write wants 1; bring back n2, n3 and n4 " +
			"(also failing: instances, roles, links)."},
		{"writes refused: what is aside is not named too", fleet.Sentinel, func(w fleet.World) {
			at.Redis(w, "n1").Redis.MinReplicas = 1
			at.Redis(w, "n2").Redis.Drift = []string{"port"}
			at.Redis(w, "n3").Redis.ReadOnly = false
		}, "n1 refuses writes (NOREPLICAS): 0 replicas answered in time and min-replicas-to-write wants 1 (also failing: read-only)."},
		{"nothing to promote, and nothing is kept from it", fleet.Sentinel, func(w fleet.World) {
			promoteNobody(w)
		}, "redis-main-6379 on n1, the last master, is held; no replica can be promoted: bring the last master or a replica with its data back."},
		{"nothing to promote but what is kept from it with data (S19)", fleet.Sentinel, func(w fleet.World) {
			promoteNobody(w)
			for _, node := range []string{"n2", "n3", "n4"} {
				at.Redis(w, node).Redis.ReplicaPriority = 0
			}
			at.Redis(w, "n3").Dataset.Present = false
			at.Redis(w, "n4").Dataset = nil
		}, "redis-main-6379 on n1, the last master, is held; no replica can be promoted: bring the last master or a replica with its data back " +
			"(n2 had not caught up and would lose what was written since; to have it promoted all the same: redis-cli CONFIG SET replica-priority 100 there)."},
		{"several are kept from it: Sentinel is to choose among all of them", fleet.Sentinel, func(w fleet.World) {
			promoteNobody(w)
			for _, node := range []string{"n2", "n3"} {
				at.Redis(w, node).Redis.ReplicaPriority = 0
			}
		}, "redis-main-6379 on n1, the last master, is held; no replica can be promoted: bring the last master or a replica with its data back " +
			"(n2 and n3 had not caught up and would lose what was written since; to have the one promoted that is furthest: redis-cli CONFIG SET replica-priority 100 on all of them)."},
		{"two claim it, the sentinels name one that loads", fleet.Sentinel, func(w fleet.World) {
			demoteNobody(w, "n2")
			at.Redis(w, "n1").Redis.Loading = true
		}, "n1, the master, is loading its data; writes are taken when it is done."},
		{"the server that the sentinels name is a replica", fleet.Sentinel, func(w fleet.World) {
			r := at.Redis(w, "n1").Redis
			r.Role, r.Master, r.Link, r.Replicas = fleet.RoleReplica, at.Server("n2"), "down", nil
		}, "n1, which was to be master, is a replica now; the sentinels are to promote a replica."},
		{"the last master by what its replicas follow", fleet.Replication, func(w fleet.World) {
			at.Redis(w, "n2").State, at.Redis(w, "n2").Redis = fleet.Held, nil
			at.Edit(w, "n1", func(r *fleet.ReportRecord) { r.Report.Instances = nil })
		}, "redis-main-6379 on n1, the last master, is not reported; this topology has no automatic failover: it serves again when that server is back."},
		{"the last master by its own last word", fleet.Replication, func(w fleet.World) {
			for node := range w.Reports {
				at.Redis(w, node).Redis.Master = fleet.Addr{}
			}
			at.Redis(w, "n1").State = fleet.Held
		}, "redis-main-6379 on n1, the last master, is held; this topology has no automatic failover: it serves again when that server is back."},
		{"nothing tells who was master", fleet.Replication, func(w fleet.World) {
			for node := range w.Reports {
				r := at.Redis(w, node).Redis
				r.Role, r.Master, r.Link, r.Replicas = fleet.RoleReplica, at.Server("n9"), "down", nil
			}
		}, "no server is master; this topology has no automatic failover: it serves again when that server is back."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(c.topology, 5)
			c.do(w)
			if a := assess.Group(w, at.Group); a.Reason != c.says {
				t.Errorf("%s: %s\nwant: %s", a.State, a.Reason, c.says)
			}
		})
	}
}

// promoteNobody: the master is down and no sentinel sees a replica to promote.
func promoteNobody(w fleet.World) {
	at.Redis(w, "n1").State = fleet.Held
	for node := range w.Reports {
		for i := range at.SentinelOn(w, node).Sentinel.Replicas {
			at.SentinelOn(w, node).Sentinel.Replicas[i].Promotable = false
		}
	}
}

// TestWaitingInFull: what a group that starts waits for, with the agents' reasons.
func TestWaitingInFull(t *testing.T) {
	t.Parallel()
	w := inPhase(fleet.PhaseStarting)
	at.Redis(w, "n2").State, at.Redis(w, "n2").Reason = fleet.Prepared, "the port is taken"
	at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Report.Instances = r.Report.Instances[1:] })
	want := "waiting for redis-main-6379 on n2 (the port is taken) and redis-main-6379 on n3."
	if a := assess.Group(w, at.Group); a.Reason != want {
		t.Errorf("%s: %s", a.State, a.Reason)
	}
}

// TestAddresses: where no goal names an instance, its own report does, and before
// it has been installed the node's address.
func TestAddresses(t *testing.T) {
	t.Parallel()
	own := fleet.Addr{Host: "192.168.0.1", Port: 7000}
	for _, c := range []struct {
		name string
		inst fleet.Addr
		node string
		want fleet.Addr
	}{
		{"the instance's own", own, "10.0.0.2", own},
		{"the instance's own, of a node without an address", own, "", own},
		{"the node's", fleet.Addr{}, "10.0.0.2", at.Server("n2")},
		{"none is known", fleet.Addr{}, "", fleet.Addr{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Replication, 2)
			w.Goals = nil
			at.Redis(w, "n2").Addr = c.inst
			at.Edit(w, "n2", func(r *fleet.ReportRecord) { r.Report.Address = c.node })
			if got := assess.Group(w, at.Group).Replicas[0].Addr; got != c.want {
				t.Errorf("the address is %v, want %v", got, c.want)
			}
		})
	}
}
