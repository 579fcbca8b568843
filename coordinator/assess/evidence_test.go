package assess_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	at "github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// reported sets how long ago a node reported.
func reported(w fleet.World, node string, ago time.Duration) {
	at.Edit(w, node, func(r *fleet.ReportRecord) { r.Report.At = at.Now().Add(-ago) })
}

func agentGone(w fleet.World, nodes ...string) {
	for _, n := range nodes {
		at.Edit(w, n, func(r *fleet.ReportRecord) { r.Alive = false })
	}
}

func demoteNobody(w fleet.World, node string) {
	r := at.Redis(w, node).Redis
	r.Role, r.Master, r.Link, r.Replicas = fleet.RoleMaster, fleet.Addr{}, "", nil
}

// TestVerdicts: what the records of a group that served say about it.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		topology fleet.Topology
		nodes    int
		do       func(w fleet.World)
		state    fleet.GroupState
		master   string
		says     string
	}{
		{"healthy", fleet.Sentinel, 3, func(fleet.World) {}, fleet.GroupServing, "n1",
			"n1 serves with 2 replicas and 3 of 3 sentinels."},
		{"healthy replication", fleet.Replication, 3, func(fleet.World) {}, fleet.GroupServing, "n1",
			"n1 serves with 2 replicas; this topology has no automatic failover."},
		{"drift is told and does not degrade", fleet.Sentinel, 3, func(w fleet.World) {
			at.Redis(w, "n2").Redis.Drift = []string{"port"}
		}, fleet.GroupServing, "n1", "n2 differs in port from its settings"},
		{"wrong tags do not degrade", fleet.Sentinel, 3, func(w fleet.World) {
			w.Services[0].Passing = false
		}, fleet.GroupServing, "n1", "n1 serves"},
		{"master's machine killed, failover under way", fleet.Sentinel, 3, func(w fleet.World) {
			at.Kill(w, "n1")
		}, fleet.GroupDown, "", "redis-main-6379 on n1, the last master, is gone (seen down by n2, n3); the sentinels are to promote"},
		{"master's machine killed, failover done", fleet.Sentinel, 3, func(w fleet.World) {
			at.Kill(w, "n1")
			at.Promote(w, "n2", "n1")
		}, fleet.GroupDegraded, "n2", "n2 serves, but redis-main-6379 on n1 is gone"},
		{"failover reported by the sentinels before they flag the old master", fleet.Sentinel, 3, func(w fleet.World) {
			at.Promote(w, "n2", "n1")
			for _, n := range []string{"n2", "n3"} {
				at.Seen(at.SentinelOn(w, n).Sentinel.Replicas, at.Server("n1")).Flags = "slave"
			}
		}, fleet.GroupDegraded, "n2", "the sentinels name n2"},
		{"old master claims on in a fresh report: split, sentinels decide", fleet.Sentinel, 3, func(w fleet.World) {
			at.Promote(w, "n2", "n1")
			reported(w, "n1", time.Second)
		}, fleet.GroupDegraded, "n2", "n1 and n2 each say they are master"},
		{"split that the sentinels do not decide", fleet.Sentinel, 3, func(w fleet.World) {
			demoteNobody(w, "n2")
			at.SentinelOn(w, "n2").Sentinel.Master = at.Server("n2")
			at.SentinelOn(w, "n3").Sentinel.Master = at.Server("n3")
		}, fleet.GroupDown, "", "n1 and n2 each say they are master and no majority"},
		{"split without sentinels", fleet.Replication, 3, func(w fleet.World) {
			demoteNobody(w, "n2")
		}, fleet.GroupDown, "", "n1 and n2 each say"},
		{"replica's machine killed", fleet.Sentinel, 3, func(w fleet.World) { at.Kill(w, "n3") },
			fleet.GroupDegraded, "n1", "redis-main-6379 on n3 is gone (seen down by n1, n2)"},
		{"a sentinel whose peers refuse it does not condemn them", fleet.Sentinel, 3, func(w fleet.World) {
			for _, peer := range []string{"n1", "n3"} {
				at.Seen(at.SentinelOn(w, "n2").Sentinel.Peers, at.SentinelAddr(peer)).Flags = "sentinel,s_down"
			}
			reported(w, "n2", time.Second)
		}, fleet.GroupDegraded, "n1", "n1 serves, but n2 does not reach n1"},
		{"two of three machines killed at once", fleet.Sentinel, 3, func(w fleet.World) {
			reported(w, "n3", 7*time.Second)
			at.Kill(w, "n1")
			reported(w, "n3", 7*time.Second)
			killAgain(w, "n3", "n2")
		}, fleet.GroupDown, "", "no failover can be agreed on: 1 of 3 sentinels reachable, 2 needed"},
		{"four of seven machines killed at once", fleet.Sentinel, 7, func(w fleet.World) {
			for i, dead := range []string{"n1", "n3", "n5", "n7"} {
				reported(w, dead, time.Duration(60-10*i)*time.Second)
				killAgain(w, dead, "n2", "n4", "n6")
			}
		}, fleet.GroupDown, "", "3 of 7 sentinels reachable, 4 needed"},
		{"restarted machine reports later than its peers", fleet.Sentinel, 3, func(w fleet.World) {
			at.Kill(w, "n3")
			reported(w, "n3", time.Second)
		}, fleet.GroupDegraded, "n1", "n1 does not list n3"},
		{"one node is cut off from the others, not from Consul", fleet.Sentinel, 3, func(w fleet.World) {
			cutOff(w, "n2", "n1", "n3")
			reported(w, "n2", time.Second)
		}, fleet.GroupDegraded, "n1", "n2's link to n1 is down"},
		{"master's agent gone, peers vouch", fleet.Sentinel, 3, func(w fleet.World) { agentGone(w, "n1") },
			fleet.GroupDegraded, "n1", "n1 serves, but n1: its agent is gone"},
		{"master's agent gone, replicas vouch", fleet.Replication, 3, func(w fleet.World) { agentGone(w, "n1") },
			fleet.GroupDegraded, "n1", "n1: its agent is gone"},
		{"all agents gone", fleet.Sentinel, 3, func(w fleet.World) { agentGone(w, "n1", "n2", "n3") },
			fleet.GroupDown, "", "no agent of the group reports"},
		{"only node's agent gone", fleet.Replication, 1, func(w fleet.World) { agentGone(w, "n1") },
			fleet.GroupDown, "", "no agent of the group reports"},
		{"replication: master's machine killed", fleet.Replication, 3, func(w fleet.World) { at.Kill(w, "n1") },
			fleet.GroupDown, "", "is gone (seen down by n2, n3); this topology has no automatic failover"},
		{"replication: a link that just broke is not evidence yet", fleet.Replication, 2, func(w fleet.World) {
			at.Kill(w, "n1")
			reported(w, "n2", time.Second)
		}, fleet.GroupDegraded, "n1", "n2's link to n1 is down"},
		{"replication: a link that broke three seconds ago is evidence", fleet.Replication, 2, func(w fleet.World) {
			at.Kill(w, "n1")
			reported(w, "n2", 3*time.Second)
		}, fleet.GroupDown, "", "redis-main-6379 on n1, the last master, is gone (seen down by n2)"},
		{"replication: a master that lists its replicas vouches for them", fleet.Replication, 3, func(w fleet.World) {
			reported(w, "n1", 5*time.Second)
		}, fleet.GroupServing, "n1", "n1 serves with 2 replicas"},
		{"replication: a replica syncs anew", fleet.Replication, 2, func(w fleet.World) {
			at.Redis(w, "n1").Redis.Replicas = nil
			at.Redis(w, "n2").Redis.Link = "down"
			reported(w, "n2", 5*time.Second)
		}, fleet.GroupDegraded, "n1", "n2's link to n1 is down"},
		{"replication: replica's machine killed", fleet.Replication, 3, func(w fleet.World) { at.Kill(w, "n3") },
			fleet.GroupDegraded, "n1", "redis-main-6379 on n3 is gone (seen down by n1)"},
		{"master stopped, agent tells", fleet.Sentinel, 3, func(w fleet.World) {
			i := at.Redis(w, "n1")
			i.State, i.Reason, i.Redis = fleet.Held, "waits for a failover", nil
		}, fleet.GroupDown, "", "redis-main-6379 on n1, the last master, is held (waits for a failover); the sentinels"},
		{"master down and nothing to promote", fleet.Sentinel, 3, func(w fleet.World) {
			at.Redis(w, "n1").State = fleet.Held
			for _, n := range []string{"n1", "n2", "n3"} {
				for i := range at.SentinelOn(w, n).Sentinel.Replicas {
					at.SentinelOn(w, n).Sentinel.Replicas[i].Promotable = false
				}
			}
		}, fleet.GroupDown, "", "no replica can be promoted"},
		{"master loads its data", fleet.Sentinel, 3, func(w fleet.World) {
			at.Redis(w, "n1").Redis.Loading = true
		}, fleet.GroupDown, "n1", "n1, the master, is loading its data"},
		{"instance runs but shows nothing", fleet.Sentinel, 3, func(w fleet.World) {
			at.Redis(w, "n2").Redis = nil
		}, fleet.GroupDegraded, "n1", "runs but does not answer"},
		{"unreadable report", fleet.Sentinel, 3, func(w fleet.World) {
			w.Reports["n2"] = fleet.ReportRecord{Alive: true, Problem: "unexpected end of JSON input"}
		}, fleet.GroupDegraded, "n1", "n2: its report cannot be read: unexpected end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(c.topology, c.nodes)
			c.do(w)
			a := assess.Group(w, at.Group)
			if a.State != c.state || !strings.Contains(a.Reason, c.says) {
				t.Errorf("%s: %s\nwant %s: … %s …", a.State, a.Reason, c.state, c.says)
			}
			switch {
			case a.Master == nil && c.master != "":
				t.Errorf("no master, want %s", c.master)
			case a.Master != nil && a.Master.Node != c.master:
				t.Errorf("master is %s, want %q", a.Master.Node, c.master)
			}
		})
	}
}

// killAgain shows the loss of one more machine in the reports of witnesses.
func killAgain(w fleet.World, dead string, witnesses ...string) {
	for _, n := range witnesses {
		reported(w, n, 5*time.Second)
		s := at.SentinelOn(w, n).Sentinel
		if s.Master == at.Server(dead) {
			s.MasterFlags = "master,s_down"
		}
		if r := at.Seen(s.Replicas, at.Server(dead)); r != nil {
			r.Flags = "s_down,slave,disconnected"
		}
		at.Seen(s.Peers, at.SentinelAddr(dead)).Flags = "s_down,sentinel,disconnected"
		at.Redis(w, n).Redis.Link = "down"
	}
}

// cutOff breaks the network between one node and the others in both directions;
// all of them still report.
func cutOff(w fleet.World, node string, others ...string) {
	mine := at.SentinelOn(w, node).Sentinel
	mine.MasterFlags = "master,s_down"
	for i := range mine.Peers {
		mine.Peers[i].Flags = "s_down,sentinel,disconnected"
	}
	for i := range mine.Replicas {
		mine.Replicas[i].Flags = "s_down,slave,disconnected"
	}
	at.Redis(w, node).Redis.Link = "down"
	for _, o := range others {
		s := at.SentinelOn(w, o).Sentinel
		at.Seen(s.Peers, at.SentinelAddr(node)).Flags = "s_down,sentinel,disconnected"
		at.Seen(s.Replicas, at.Server(node)).Flags = "s_down,slave,disconnected"
	}
}

// TestVouching: what makes a sentinel whose agent is gone, n3's, count as up or down.
// In each case the reports of n1 and n2 are the later ones.
func TestVouching(t *testing.T) {
	t.Parallel()
	const unvouched = "its agent is gone and no peer vouches for it"
	peer := func(w fleet.World, on, of string) *fleet.SeenInstance {
		return at.Seen(at.SentinelOn(w, on).Sentinel.Peers, at.SentinelAddr(of))
	}
	for _, c := range []struct {
		name string
		do   func(w fleet.World)
		gone string
	}{
		{"two peers have its answer", func(fleet.World) {}, ""},
		{"one peer has its answer", func(w fleet.World) { peer(w, "n1", "n3").Reached = false }, ""},
		{"listed, and it never answered (S21)", func(w fleet.World) {
			peer(w, "n1", "n3").Reached, peer(w, "n2", "n3").Reached = false, false
		}, unvouched},
		{"no connection at the moment says nothing", func(w fleet.World) {
			peer(w, "n1", "n3").Flags, peer(w, "n2", "n3").Flags = "sentinel,disconnected", "sentinel,disconnected"
		}, unvouched},
		{"down counts although it never answered", func(w fleet.World) {
			for _, n := range []string{"n1", "n2"} {
				peer(w, n, "n3").Flags, peer(w, n, "n3").Reached = "sentinel,s_down", false
			}
		}, "seen down by n1, n2"},
		{"its peers disagree", func(w fleet.World) { peer(w, "n2", "n3").Flags = "sentinel,s_down" },
			"its agent is gone and its peers disagree about it"},
		{"one that nobody reaches and nobody misses is heard", func(w fleet.World) {
			peer(w, "n2", "n3").Flags, peer(w, "n1", "n2").Flags = "sentinel,s_down", "sentinel,disconnected"
		}, "its agent is gone and its peers disagree about it"},
		{"one that is cut off itself is not heard", func(w fleet.World) {
			peer(w, "n2", "n3").Flags, peer(w, "n1", "n2").Flags = "sentinel,s_down", "sentinel,s_down"
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Sentinel, 3)
			agentGone(w, "n3")
			reported(w, "n1", time.Second)
			reported(w, "n2", time.Second)
			c.do(w)
			seen, told := check(t, assess.Group(w, at.Group), assess.CheckInstances).Seen, "sentinel-main-26379 on n3 is gone ("+c.gone+")"
			if strings.Contains(seen, told) != (c.gone != "") || c.gone == "" && strings.Contains(seen, "sentinel-main-26379 on n3") {
				t.Errorf("seen is %q, want %q", seen, c.gone)
			}
		})
	}
}

func TestStatusLists(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	at.Kill(w, "n1")
	at.Promote(w, "n2", "n1")
	at.Redis(w, "n2").Redis.Behind = map[string]int64{at.Server("n3").String(): 128 << 10}
	a := assess.Group(w, at.Group)
	if a.Master == nil || a.Master.Addr != at.Server("n2") {
		t.Fatalf("master is %v", a.Master)
	}
	want := []fleet.ReplicaStatus{
		{Node: "n1", Addr: at.Server("n1"), Link: "down"},
		{Node: "n3", Addr: at.Server("n3"), Link: "up", LagBytes: 128 << 10},
	}
	for i, r := range a.Replicas {
		if r != want[i] {
			t.Errorf("replica %d is %+v, want %+v", i, r, want[i])
		}
	}
	for _, s := range a.Sentinels {
		if s.OK != (s.Node != "n1") {
			t.Errorf("sentinel %+v", s)
		}
	}
	if q := (fleet.QuorumStatus{Required: 2, Reachable: 2, Majority: 2, OK: true}); a.Quorum == nil || *a.Quorum != q {
		t.Errorf("quorum is %+v, want %+v", a.Quorum, q)
	}
	if a.CredentialsVersion != 1 {
		t.Errorf("credentials version is %d", a.CredentialsVersion)
	}
	if got := assess.Group(at.Healthy(fleet.Replication, 3), at.Group); got.Quorum != nil || got.Sentinels == nil {
		t.Errorf("a group without sentinels has quorum %v and sentinels %v", got.Quorum, got.Sentinels)
	}
}

// TestPromotionOfALivingGroupIsHealthy: a failover after which
// all nodes live leaves nothing to complain about.
func TestPromotionOfALivingGroupIsHealthy(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	at.Promote(w, "n3")
	a := assess.Group(w, at.Group)
	if a.State != fleet.GroupServing || a.Master.Node != "n3" || !assess.Verified(a) {
		t.Errorf("%s: %s %v", a.State, a.Reason, failed(a))
	}
}

// TestClocksDoNotOrderReports: what came later is told by Consul's index, however
// far the nodes' clocks are apart.
func TestClocksDoNotOrderReports(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"the dead node's clock is ahead": 0, "the peers' clocks are behind": 3 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Sentinel, 3)
			at.Kill(w, "n1")
			index := uint64(100)
			for _, node := range []string{"n1", "n2", "n3"} {
				index++
				at.Edit(w, node, func(r *fleet.ReportRecord) { r.Index = index })
				reported(w, node, 5*time.Second+skew)
			}
			reported(w, "n1", 0)
			if a := assess.Group(w, at.Group); a.Master != nil || a.State != fleet.GroupDown {
				t.Errorf("before the failover: %s with master %v: %s", a.State, a.Master, a.Reason)
			}
			at.Promote(w, "n2", "n1")
			for _, node := range []string{"n2", "n3"} {
				reported(w, node, 4*time.Second+skew)
				at.Seen(at.SentinelOn(w, node).Sentinel.Replicas, at.Server("n1")).Flags = "slave"
				at.Seen(at.SentinelOn(w, node).Sentinel.Peers, at.SentinelAddr("n1")).Flags = "sentinel"
			}
			a := assess.Group(w, at.Group)
			if a.Master == nil || a.Master.Node != "n2" || strings.Contains(a.Reason, "each say they are master") {
				t.Errorf("after it: %s with master %v: %s", a.State, a.Master, a.Reason)
			}
		})
	}
}

// TestEverythingDied: no peer is left to tell, and the sessions still hold; the
// checks in Consul do tell.
func TestEverythingDied(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	for i := range w.Services {
		w.Services[i].Passing = false
	}
	a := assess.Group(w, at.Group)
	if a.State != fleet.GroupDegraded || !strings.Contains(a.Reason, "none of the group's checks in Consul passes") {
		t.Errorf("%s: %s", a.State, a.Reason)
	}
	agentGone(w, "n1", "n2", "n3")
	if a = assess.Group(w, at.Group); a.State != fleet.GroupDown || !strings.Contains(a.Reason, "no agent of the group reports") {
		t.Errorf("when the sessions have ended: %s: %s", a.State, a.Reason)
	}
}
