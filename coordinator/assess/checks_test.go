package assess_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess"
	at "github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/internal/fleet"
)

func failed(a fleet.Assessment) []string {
	var out []string
	for _, c := range a.Checks {
		if !c.OK {
			out = append(out, c.Name)
		}
	}
	return out
}

func check(t *testing.T, a fleet.Assessment, name string) fleet.Check {
	t.Helper()
	for _, c := range a.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no check %q in %v", name, a.Checks)
	return fleet.Check{}
}

// breaks has, for each check, inputs that make this one fail and no other, and a
// part of what it then says.
func breaks() []struct {
	check, name, says string
	do                func(w fleet.World)
} {
	return []struct {
		check, name, says string
		do                func(w fleet.World)
	}{
		{assess.CheckReports, "agent gone, its peers vouch", "n3: its agent is gone", func(w fleet.World) {
			at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Alive = false })
		}},
		{assess.CheckReports, "Consul restored from an older snapshot", "up to epoch 9, Consul's records end at 3", func(w fleet.World) {
			at.Edit(w, "n2", func(r *fleet.ReportRecord) { r.Report.Epoch = 9 })
		}},
		{assess.CheckReports, "node of another fleet", "belongs to fleet other", func(w fleet.World) {
			at.Edit(w, "n2", func(r *fleet.ReportRecord) { r.Report.FleetID = "other" })
		}},
		{assess.CheckReports, "group identity of another group", "carries the identity of group other", func(w fleet.World) {
			at.Redis(w, "n2").GroupID = "other"
		}},
		{assess.CheckReports, "goal refused", "n2: its goal cannot be read", func(w fleet.World) {
			at.Edit(w, "n2", func(r *fleet.ReportRecord) { r.Report.Problem = "its goal cannot be read" })
		}},
		{assess.CheckReports, "hung agent", "its report is 10m0s old", func(w fleet.World) {
			at.Edit(w, "n2", func(r *fleet.ReportRecord) { r.Report.At = at.Now().Add(-10 * time.Minute) })
		}},
		{assess.CheckReports, "clock ahead", "its clock is 5m0s ahead", func(w fleet.World) {
			at.Edit(w, "n2", func(r *fleet.ReportRecord) { r.Report.At = at.Now().Add(5 * time.Minute) })
		}},
		{assess.CheckInstances, "held server", "redis-main-6379 on n2 is held (drained)", func(w fleet.World) {
			at.Redis(w, "n2").State, at.Redis(w, "n2").Reason = fleet.Held, "drained"
			at.Critical(w, at.Server("n2"))
		}},
		{assess.CheckInstances, "sentinel down", "sentinel-main-26379 on n3 is prepared (redis-sentinel not found)", func(w fleet.World) {
			at.SentinelOn(w, "n3").State, at.SentinelOn(w, "n3").Reason = fleet.Prepared, "redis-sentinel not found"
			at.Critical(w, at.SentinelAddr("n3"))
		}},
		{assess.CheckRoles, "replica of somebody else", "n2 follows n3, not n1", func(w fleet.World) {
			at.Redis(w, "n2").Redis.Master = at.Server("n3")
		}},
		{assess.CheckRoles, "second master", "n1 and n2 each say they are master", func(w fleet.World) {
			r := at.Redis(w, "n2").Redis
			r.Role, r.Master, r.Link = fleet.RoleMaster, fleet.Addr{}, ""
		}},
		{assess.CheckLinks, "link down", "n2's link to n1 is down", func(w fleet.World) {
			at.Redis(w, "n2").Redis.Link = "down"
		}},
		{assess.CheckLinks, "not online at the master", "n1 does not list n3", func(w fleet.World) {
			at.Redis(w, "n1").Redis.Replicas = []fleet.Addr{at.Server("n2")}
		}},
		{assess.CheckOffsets, "far behind", "n3 is 32 MiB behind", func(w fleet.World) {
			at.Redis(w, "n1").Redis.Behind = map[string]int64{at.Server("n3").String(): 32 << 20}
		}},
		{assess.CheckLineage, "another history", "on n3", func(w fleet.World) {
			at.Redis(w, "n3").Redis.ReplID = strings.Repeat("b", 40)
		}},
		{assess.CheckConfigRewrite, "file not writable", "n2 answers ERR Rewriting config file: Permission denied", func(w fleet.World) {
			at.Redis(w, "n2").Redis.RewriteError = "ERR Rewriting config file: Permission denied"
		}},
		{assess.CheckCredentials, "masterauth", "masterauth of redis-main-6379 on n2", func(w fleet.World) {
			at.Redis(w, "n2").Redis.MasterAuthOK = false
		}},
		{assess.CheckCredentials, "requirepass", "requirepass of redis-main-6379 on n1", func(w fleet.World) {
			at.Redis(w, "n1").Redis.PasswordOK = false
		}},
		{assess.CheckCredentials, "sentinel", "requirepass of sentinel-main-26379 on n3", func(w fleet.World) {
			at.SentinelOn(w, "n3").Sentinel.PasswordOK = false
		}},
		{assess.CheckCredentials, "older secret", "has version 7", func(w fleet.World) {
			at.SentinelOn(w, "n3").SecretVersion = 7
		}},
		{assess.CheckPeerAuth, "refused", "n3 at n1: WRONGPASS", func(w fleet.World) {
			at.Redis(w, "n3").Redis.Peers[0].Error = "WRONGPASS"
		}},
		{assess.CheckPeerAuth, "not tried", "n3 has not tried n2", func(w fleet.World) {
			at.Redis(w, "n3").Redis.Peers = at.Redis(w, "n3").Redis.Peers[:1]
		}},
		{assess.CheckReadOnly, "writable replica", "n2 takes writes", func(w fleet.World) {
			at.Redis(w, "n2").Redis.ReadOnly = false
		}},
		{assess.CheckWritePath, "never proved", "never proved", func(w fleet.World) {
			at.EditGroup(w, func(g *fleet.Group) { g.WriteProved = false })
		}},
		{assess.CheckWritable, "too few good replicas", "n1 refuses writes (NOREPLICAS): 0 replicas answered in time and min-replicas-to-write wants 1", func(w fleet.World) {
			at.Redis(w, "n1").Redis.MinReplicas = 1
		}},
		{assess.CheckWritable, "by the durability", `durability = "bounded" wants 2`, func(w fleet.World) {
			w.Spec.Spec.Groups[0].Durability = fleet.Bounded
			at.Redis(w, "n1").Redis.MinReplicas, at.Redis(w, "n1").Redis.GoodReplicas = 2, 1
		}},
		{assess.CheckPersistence, "append-only file", "n1 cannot write its append-only file and refuses writes (MISCONF)", func(w fleet.World) {
			at.Redis(w, "n1").Redis.AOFError = true
		}},
		{assess.CheckPersistence, "snapshot", "n2 cannot write its snapshot: look at its disk", func(w fleet.World) {
			at.Redis(w, "n2").Redis.SaveError = true
		}},
		{assess.CheckServices, "wrong tag", "is tagged replica, not master", func(w fleet.World) {
			w.Services[0].Tags = []string{"replica"}
		}},
		{assess.CheckServices, "two tags", "is tagged master and replica, not master", func(w fleet.World) {
			w.Services[0].Tags = []string{"replica", "master"}
		}},
		{assess.CheckServices, "critical", "on n1 is critical", func(w fleet.World) {
			w.Services[0].Passing = false
		}},
		{assess.CheckServices, "not registered", "redis-main-6379 on n2 is not registered", func(w fleet.World) {
			w.Services[2].Service = "other"
		}},
		{assess.CheckServices, "registered twice", "on n2 is registered 2 times", func(w fleet.World) {
			w.Services[3] = w.Services[2]
		}},
		{assess.CheckServices, "registered elsewhere", "10.0.0.9:6379 is no instance of the group", func(w fleet.World) {
			w.Services[0].Addr = at.Server("n9")
		}},
		{assess.CheckDrift, "changed by hand", "n2 differs in masterauth, port", func(w fleet.World) {
			at.Redis(w, "n2").Redis.Drift = []string{"masterauth", "port"}
		}},
		{assess.CheckSentinelMaster, "names another", "the sentinel on n3 names n2", func(w fleet.World) {
			s := at.SentinelOn(w, "n3").Sentinel
			s.Master, s.Replicas[0].Addr = at.Server("n2"), at.Server("n1")
		}},
		{assess.CheckSentinelMaster, "names a foreign master", "names 10.0.0.9:6379", func(w fleet.World) {
			s := at.SentinelOn(w, "n3").Sentinel
			s.Master = at.Server("n9")
			s.Replicas = append(s.Replicas, fleet.SeenInstance{Addr: at.Server("n1"), Flags: "slave", Reached: true})
		}},
		{assess.CheckSentinelMaster, "watches two", "watches main and other", func(w fleet.World) {
			at.SentinelOn(w, "n3").Sentinel.Monitored = []string{"main", "other"}
		}},
		{assess.CheckSentinelPeers, "missing", "the sentinel on n1 does not know the one on n3", func(w fleet.World) {
			s := at.SentinelOn(w, "n1").Sentinel
			s.Peers = s.Peers[:1]
		}},
		{assess.CheckSentinelPeers, "extra", "knows a foreign one, 10.0.0.9:26379", func(w fleet.World) {
			s := at.SentinelOn(w, "n1").Sentinel
			s.Peers = append(s.Peers, fleet.SeenInstance{Addr: at.SentinelAddr("n9"), ID: at.MyID("n9"), Flags: "sentinel", Reached: true})
		}},
		{assess.CheckSentinelPeers, "wrong id", "knows the one on n2 as " + at.MyID("n9"), func(w fleet.World) {
			at.SentinelOn(w, "n1").Sentinel.Peers[0].ID = at.MyID("n9")
		}},
		{assess.CheckSentinelPeers, "cloned id", "the sentinel on n2 has id " + at.MyID("n1"), func(w fleet.World) {
			at.SentinelOn(w, "n2").Sentinel.MyID = at.MyID("n1")
		}},
		{assess.CheckSentinelReplicas, "missing", "the sentinel on n1 does not list n3", func(w fleet.World) {
			s := at.SentinelOn(w, "n1").Sentinel
			s.Replicas = s.Replicas[:1]
		}},
		{assess.CheckSentinelReplicas, "foreign", "lists a foreign server, 10.0.0.9:6379", func(w fleet.World) {
			s := at.SentinelOn(w, "n1").Sentinel
			s.Replicas = append(s.Replicas, fleet.SeenInstance{Addr: at.Server("n9"), Flags: "slave"})
		}},
		{assess.CheckSentinelReach, "never answered", "n1 has no answer from n2 yet", func(w fleet.World) {
			at.SentinelOn(w, "n1").Sentinel.Peers[0].Reached = false
		}},
		{assess.CheckSentinelReach, "lost", "n1 does not reach n2 (sentinel,s_down)", func(w fleet.World) {
			at.SentinelOn(w, "n1").Sentinel.Peers[0].Flags = "sentinel,s_down"
		}},
		{assess.CheckQuorum, "no quorum", "the sentinel on n2 says NOQUORUM", func(w fleet.World) {
			at.SentinelOn(w, "n2").Sentinel.CKQuorum = "NOQUORUM 1 usable Sentinels"
		}},
		{assess.CheckQuorum, "another quorum", "the sentinel on n2 has quorum 1", func(w fleet.World) {
			at.SentinelOn(w, "n2").Sentinel.Quorum = 1
		}},
		{assess.CheckQuorum, "tilt", "n2 is in TILT", func(w fleet.World) {
			at.SentinelOn(w, "n2").Sentinel.Tilt = true
		}},
		{assess.CheckInstances, "told to stop", "redis-main-6379 on n2 was told to stop and has not ended", func(w fleet.World) {
			at.Redis(w, "n2").Unit.Stopping = true
		}},
		{assess.CheckSentinelReplicas, "foreign master", "10.0.0.9:6379, which says it is a master", func(w fleet.World) {
			s := at.SentinelOn(w, "n1").Sentinel
			s.Replicas = append(s.Replicas, fleet.SeenInstance{Addr: at.Server("n9"), Flags: "slave", SaysMaster: true})
		}},
		{assess.CheckSpread, "no replica in another zone can go on", "every copy that can go on is in zone a (n1 and n2), whose loss would take them all; look at n3", func(w fleet.World) {
			for node, zone := range map[string]string{"n1": "a", "n2": "a", "n3": "b"} {
				at.Edit(w, node, func(r *fleet.ReportRecord) { r.Report.Zone = zone })
			}
			at.Redis(w, "n3").Redis.ReplicaPriority = 0
		}},
		{assess.CheckFailover, "under way", "the sentinel on n2 is carrying a failover out", func(w fleet.World) {
			at.SentinelOn(w, "n2").Sentinel.MasterFlags = "master,failover_in_progress"
		}},
		{assess.CheckPromotable, "no sentinel could promote", "only 1 of 3 sentinels see one, none on n1 and n2", func(w fleet.World) {
			for _, n := range []string{"n1", "n2"} {
				for i := range at.SentinelOn(w, n).Sentinel.Replicas {
					at.SentinelOn(w, n).Sentinel.Replicas[i].Promotable = false
				}
			}
		}},
	}
}

func TestEachCheckFailsAlone(t *testing.T) {
	t.Parallel()
	for _, b := range breaks() {
		t.Run(b.check+"/"+b.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Sentinel, 3)
			b.do(w)
			a := assess.Group(w, at.Group)
			if diff := cmp.Diff([]string{b.check}, failed(a)); diff != "" {
				t.Errorf("the checks that fail (-want +got):\n%s\n%v", diff, a.Checks)
			}
			if got := check(t, a, b.check).Seen; !strings.Contains(got, b.says) {
				t.Errorf("seen is %q, want it to say %q", got, b.says)
			}
			if assess.Verified(a) {
				t.Error("the group counts as verified")
			}
		})
	}
}

// TestIDsWithoutGoals: where no goal names the sentinels' ids, what each says of
// itself is compared with what its peers know, and one that says nothing with
// nothing.
func TestIDsWithoutGoals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(w fleet.World)
		seen string
	}{
		{"all agree", func(fleet.World) {}, "3 complete lists"},
		{"a peer knows another id", func(w fleet.World) { at.SentinelOn(w, "n1").Sentinel.Peers[0].ID = at.MyID("n9") },
			"the sentinel on n1 knows the one on n2 as " + at.MyID("n9") + ", not " + at.MyID("n2")},
		{"one is down", func(w fleet.World) {
			at.SentinelOn(w, "n3").State, at.SentinelOn(w, "n3").Sentinel = fleet.Held, nil
		}, "2 complete lists"},
		{"one is not reported", func(w fleet.World) {
			at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Report.Instances = r.Report.Instances[:1] })
		}, "2 complete lists"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Sentinel, 3)
			w.Goals = nil
			c.do(w)
			if got := check(t, assess.Group(w, at.Group), assess.CheckSentinelPeers).Seen; got != c.seen {
				t.Errorf("seen is %q,\nwant    %q", got, c.seen)
			}
		})
	}
}

// TestMajorityFails: too few sentinels cannot be had alone, since those that are
// down fail "instances" too.
func TestMajorityFails(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	for _, n := range []string{"n2", "n3"} {
		at.SentinelOn(w, n).State = fleet.Held
		at.Critical(w, at.SentinelAddr(n))
	}
	a := assess.Group(w, at.Group)
	want := []string{assess.CheckInstances, assess.CheckMajority, assess.CheckPromotable}
	if diff := cmp.Diff(want, failed(a)); diff != "" {
		t.Errorf("the checks that fail (-want +got):\n%s", diff)
	}
	if got := check(t, a, assess.CheckMajority).Seen; got != "1 of 3 reachable" {
		t.Errorf("seen is %q", got)
	}
}

func TestEveryCheckIsBrokenOnce(t *testing.T) {
	t.Parallel()
	broken := map[string]bool{assess.CheckMajority: true} // TestMajorityFails
	for _, b := range breaks() {
		broken[b.check] = true
	}
	for _, name := range assess.CheckNames(fleet.Sentinel) {
		if !broken[name] {
			t.Errorf("no test breaks %q", name)
		}
	}
}

func TestHealthyGroupsHoldEveryCheck(t *testing.T) {
	t.Parallel()
	for _, topology := range []fleet.Topology{fleet.Sentinel, fleet.Replication} {
		for _, nodes := range []int{1, 2, 3, 5, 7} {
			w := at.Healthy(topology, nodes)
			if topology == fleet.Sentinel && nodes == 1 {
				at.SentinelOn(w, "n1").Sentinel.Replicas = nil
			}
			a := assess.Group(w, at.Group)
			if !assess.Verified(a) || a.State != fleet.GroupServing {
				t.Errorf("%s with %d nodes: %s, %s, failing: %v", topology, nodes, a.State, a.Reason, failed(a))
			}
			var names []string
			for _, c := range a.Checks {
				names = append(names, c.Name)
			}
			if diff := cmp.Diff(assess.CheckNames(topology), names); diff != "" {
				t.Errorf("%s: the checks (-want +got):\n%s", topology, diff)
			}
		}
	}
}

func TestServicesThatWereNotReadAreNoCheck(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	w.Services = nil
	for _, c := range assess.Group(w, at.Group).Checks {
		if c.Name == assess.CheckServices {
			t.Error("the catalog was not read, and there is a check of it")
		}
	}
	w.Services = []fleet.ServiceEntry{}
	if c := check(t, assess.Group(w, at.Group), assess.CheckServices); c.OK {
		t.Error("an empty catalog passes")
	}
}

func TestAgeIsThatOfTheOldestReport(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	at.Edit(w, "n2", func(r *fleet.ReportRecord) { r.Report.At = at.Now().Add(-61500 * time.Millisecond) })
	at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Report.At = at.Now().Add(time.Second) })
	a := assess.Group(w, at.Group)
	if got := check(t, a, assess.CheckRoles).AgeS; got != 61.5 {
		t.Errorf("roles: age is %v s, want 61.5", got)
	}
	if got := check(t, a, assess.CheckOffsets).AgeS; got != 10 {
		t.Errorf("offsets rest on the master's report: age is %v s, want 10", got)
	}
	w = at.Healthy(fleet.Sentinel, 1)
	at.Edit(w, "n1", func(r *fleet.ReportRecord) { r.Report.At = at.Now().Add(time.Second) })
	if got := check(t, assess.Group(w, at.Group), assess.CheckRoles).AgeS; got != 0 {
		t.Errorf("a report from the future has age %v s, want 0", got)
	}
}

func TestPlacementIsSaidBesideTheMajority(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 4)
	w.Spec.Spec.Groups[0].Sentinel.Nodes = []string{"n1", "n2", "n3", "n4"}
	for node := range w.Reports {
		at.Edit(w, node, func(r *fleet.ReportRecord) { r.Report.MachineID = "one" })
	}
	c := check(t, assess.Group(w, at.Group), assess.CheckMajority)
	for _, want := range []string{"4 sentinels survive no more losses than 3", "all sentinels are on one machine"} {
		if !c.OK || !strings.Contains(c.Seen, want) {
			t.Errorf("%+v does not say %q", c, want)
		}
	}
}
