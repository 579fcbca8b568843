package fence

import (
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"pgregory.net/rapid"
)

func addr(host string) fleet.Addr { return fleet.Addr{Host: host, Port: 6379} }

// names builds n answering sentinels that name a master and have run for long.
func names(master fleet.Addr, n int, edit func(*SentinelView)) []SentinelView {
	var out []SentinelView
	for i := range n {
		v := SentinelView{Node: string(rune('a' + i)), Answered: true, Names: master, Flags: "master", Uptime: time.Hour}
		if edit != nil {
			edit(&v)
		}
		out = append(out, v)
	}
	return out
}

func silent(n int) []SentinelView { return make([]SentinelView, n) }

func canPromote(a fleet.Addr) func(*SentinelView) {
	return func(v *SentinelView) { v.Promotable = []fleet.Addr{a} }
}

// emptied is a master that answers and holds nothing of a known lineage.
func emptied(a fleet.Addr) []ServerView {
	return []ServerView{{Addr: a, Answered: true, Role: fleet.RoleMaster, ReplID: "L9"}}
}

func TestDecide(t *testing.T) {
	me, other := addr("n1"), addr("n2")
	full := Self{Addr: me, HasData: true, HadData: true, ReplID: "L1"}
	replica := Self{Addr: me, HasData: true, HadData: true, ReplID: "L1", Follows: other}
	snapshot := Self{Addr: me, HasData: true, HadData: true, Ran: true, ReplID: "L1", Lineage: "L1", Offset: 6, Volatile: true}
	older := snapshot
	older.Lineage, older.Lineages = "L0", []string{"L0", "L1"}
	swapped := Self{Addr: me, HasData: true, HadData: true, Ran: true, ReplID: "L1", Lineages: []string{"L1"}, Lineage: "X"}
	youngAndAble := func(v *SentinelView) { v.Uptime, v.Promotable = time.Second, []fleet.Addr{other} }
	further := func(offset int64) ServerView {
		return ServerView{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1, ReplID: "L1", Offset: offset}
	}
	seed := &fleet.Seed{Master: me}
	fresh := &fleet.Seed{Master: me, Fresh: true}
	brought := Self{Addr: me, HasData: true, Lineage: "X"} // files in a folder in which nothing ever ran
	noted := brought
	noted.Lineages = []string{"L5"}
	unnoted := brought
	unnoted.Ran = true
	own := ServerView{Addr: other, Answered: true, Role: fleet.RoleMaster, Keys: 1, ReplID: "L1"}
	cases := map[string]struct {
		c      Case
		start  bool
		follow fleet.Addr
		rule   string
	}{
		"a master that others replaced returns as a replica": {
			Case{Self: full, Sentinels: append(names(other, 2, nil), silent(1)...)}, true, other, "follow"},
		"a master is held while a replica can be promoted": {
			Case{Self: full, Sentinels: names(me, 3, canPromote(other))}, false, fleet.Addr{}, "await-failover"},
		"a master whose replicas cannot be promoted starts at once": {
			Case{Self: full, Sentinels: names(me, 3, nil)}, true, fleet.Addr{}, "no-replica"},
		"a master is held for a while where a replica answers that no sentinel can promote": {
			Case{Self: full, DownAfter: 5 * time.Second, DownFor: time.Second, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica}}}, false, fleet.Addr{}, "await-verdict"},
		"and starts when it stays so": {
			Case{Self: full, DownAfter: 5 * time.Second, DownFor: 8 * time.Second, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica}}}, true, fleet.Addr{}, "no-replica"},
		"a master is held while a failover is under way": {
			Case{Self: full, Sentinels: names(me, 3, func(v *SentinelView) { v.Flags = "master,failover_in_progress" })}, false, fleet.Addr{}, "failover-under-way"},
		"a minority of the sentinels makes no master": {
			Case{Self: full, Sentinels: append(names(me, 1, nil), silent(2)...)}, false, fleet.Addr{}, "no-majority"},
		"sentinels that disagree make no master": {
			Case{Self: full, Sentinels: append(names(me, 1, nil), names(other, 1, nil)...)}, false, fleet.Addr{}, "no-majority"},
		"a replica starts without any sentinel": {
			Case{Self: replica, Sentinels: silent(3)}, true, other, "as-it-was"},
		"after a power loss young sentinels let the master start though replicas are back": {
			Case{Self: full, DownAfter: 5 * time.Second, Sentinels: names(me, 3, func(v *SentinelView) {
				v.Uptime, v.Promotable = time.Second, []fleet.Addr{other}
			})}, true, fleet.Addr{}, "young-sentinels"},
		"sentinels near down-after are not young": {
			Case{Self: full, DownAfter: 5 * time.Second, Sentinels: names(me, 3, func(v *SentinelView) {
				v.Uptime, v.Promotable = 3*time.Second, []fleet.Addr{other}
			})}, false, fleet.Addr{}, "await-failover"},
		"a young sentinel that already counts it down does not vouch": {
			Case{Self: full, DownAfter: 5 * time.Second, Sentinels: names(me, 3, func(v *SentinelView) {
				v.Uptime, v.Promotable, v.Flags = time.Second, []fleet.Addr{other}, "s_down,master"
			})}, false, fleet.Addr{}, "await-failover"},
		"an empty ex-master waits while a replica holds the data": {
			Case{Self: Self{Addr: me, HadData: true}, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 7}}}, false, fleet.Addr{}, "no-empty-master"},
		"an empty ex-master waits for a silent peer that may hold the data": {
			Case{Self: Self{Addr: me, HadData: true}, Sentinels: names(me, 3, nil), Servers: []ServerView{{Addr: other}}}, false, fleet.Addr{}, "no-empty-master"},
		"youth does not excuse an empty master": {
			Case{Self: Self{Addr: me, HadData: true}, DownAfter: time.Minute, Sentinels: names(me, 3, func(v *SentinelView) { v.Uptime = time.Second }),
				Servers: []ServerView{{Addr: other}}}, false, fleet.Addr{}, "no-empty-master"},
		"an empty ex-master waits while a replica loads": {
			Case{Self: Self{Addr: me}, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Loading: true}}}, false, fleet.Addr{}, "no-empty-master"},
		"an empty ex-master waits while a replica holds one key": {
			Case{Self: Self{Addr: me, Ran: true, Volatile: true}, DownFor: time.Minute, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1}}}, false, fleet.Addr{}, "no-empty-master"},
		"and starts where that is the probe": {
			Case{Self: Self{Addr: me, Ran: true, Volatile: true}, DownFor: time.Minute, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1, OnlyProbe: true}}}, true, fleet.Addr{}, "no-replica"},
		"and waits beside a silent one": {
			Case{Self: Self{Addr: me, Ran: true, Volatile: true}, DownFor: time.Minute, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1, OnlyProbe: true}, {Addr: addr("n3")}}}, false, fleet.Addr{}, "no-empty-master"},
		"a master that loads is not empty": {
			Case{Self: full, Sentinels: names(other, 3, nil), Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, ReplID: "L9", Loading: true}}}, true, other, "follow"},
		"while forming a master that ran waits for a majority": {
			Case{Self: Self{Addr: me, HasData: true, Ran: true}, Seed: seed, Sentinels: silent(3)}, false, fleet.Addr{}, "no-majority"},
		"without an append-only file an empty master waits for a silent peer, whatever was last seen": {
			Case{Self: Self{Addr: me, Ran: true, Volatile: true}, Sentinels: names(me, 3, nil), Servers: []ServerView{{Addr: other}}}, false, fleet.Addr{}, "no-empty-master"},
		"and starts empty where every peer answers and is": {
			Case{Self: Self{Addr: me, Ran: true, Volatile: true}, DownFor: time.Minute, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica}}}, true, fleet.Addr{}, "no-replica"},
		"a snapshot waits for a replica that is further": {
			Case{Self: snapshot, DownAfter: 5 * time.Second, Sentinels: names(me, 3, youngAndAble), Servers: []ServerView{further(7)}}, false, fleet.Addr{}, "newer-data"},
		"and not for one that is as far": {
			Case{Self: snapshot, DownAfter: 5 * time.Second, Sentinels: names(me, 3, youngAndAble), Servers: []ServerView{further(6)}}, true, fleet.Addr{}, "young-sentinels"},
		"a snapshot of an older lineage waits too": {
			Case{Self: older, DownAfter: 5 * time.Second, Sentinels: names(me, 3, youngAndAble), Servers: []ServerView{further(1)}}, false, fleet.Addr{}, "newer-data"},
		"files of another group are held beside the master": {
			Case{Self: swapped, Sentinels: names(other, 3, nil), Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, Keys: 1, ReplID: "L1"}}}, false, fleet.Addr{}, "foreign-data"},
		"as the last master's beside its replicas": {
			Case{Self: swapped, Sentinels: names(me, 3, nil), Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1, ReplID: "L1"}}}, false, fleet.Addr{}, "foreign-data"},
		"without a sentinel too": {
			Case{Topology: fleet.Replication, Self: swapped, Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1, ReplID: "L1"}}}, false, fleet.Addr{}, "foreign-data"},
		"files of an earlier lineage of the group's are its own": {
			Case{Self: Self{Addr: me, HasData: true, Ran: true, ReplID: "L3", Lineages: []string{"L1", "L2", "L3"}, Lineage: "L1"}, Sentinels: names(other, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, Keys: 1, ReplID: "L4", ReplID2: "L3"}}}, true, other, "follow"},
		"files that the master's lineage came from are its own": {
			Case{Self: Self{Addr: me, HasData: true, Ran: true, ReplID: "L1", Lineages: []string{"L1"}, Lineage: "L2"}, Sentinels: names(other, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, Keys: 1, ReplID: "L3", ReplID2: "L2"}}}, true, other, "follow"},
		"an empty server of the files' lineage does not make them the group's": {
			Case{Self: swapped, Sentinels: names(other, 3, nil), Servers: []ServerView{{Addr: addr("n3"), Answered: true, ReplID: "X"}, own}}, false, fleet.Addr{}, "foreign-data"},
		"files of the lineage that the group's came from are its own": {
			Case{Self: swapped, Sentinels: names(other, 3, nil), Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, Keys: 1, ReplID: "L1", ReplID2: "X"}}}, true, other, "follow"},
		"files of another lineage where nothing ever ran are held beside a master": {
			Case{Self: brought, Sentinels: names(other, 3, nil), Servers: []ServerView{own}}, false, fleet.Addr{}, "foreign-data"},
		"and not beside a replica, which may be wrong itself": {
			Case{Self: brought, Sentinels: names(other, 3, nil), Servers: []ServerView{further(7)}}, true, other, "follow"},
		"nor where another lineage was noted": {
			Case{Self: noted, Sentinels: names(other, 3, nil), Servers: []ServerView{own}}, true, other, "follow"},
		"nor where something ran and no lineage was noted": {
			Case{Self: unnoted, Sentinels: names(other, 3, nil), Servers: []ServerView{own}}, true, other, "follow"},
		"a snapshot does not wait for a replica that is silent": {
			Case{Self: snapshot, DownAfter: 5 * time.Second, Sentinels: names(me, 3, youngAndAble), Servers: []ServerView{{Addr: other}}}, true, fleet.Addr{}, "young-sentinels"},
		"nor for one of another history": {
			Case{Self: snapshot, DownAfter: 5 * time.Second, Sentinels: names(me, 3, youngAndAble),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1, ReplID: "L9", ReplID2: "L8", Offset: 9}}}, true, fleet.Addr{}, "young-sentinels"},
		"but for one whose history went on from it": {
			Case{Self: snapshot, DownAfter: 5 * time.Second, Sentinels: names(me, 3, youngAndAble),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1, ReplID: "L9", ReplID2: "L1"}}}, false, fleet.Addr{}, "newer-data"},
		"a bare majority outranks what a replica's file says": {
			Case{Self: replica, Sentinels: append(names(addr("n3"), 2, nil), silent(1)...)}, true, addr("n3"), "follow"},
		"a master is held to the end of the wait": {
			Case{Self: full, DownAfter: 5 * time.Second, DownFor: 8*time.Second - 1, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica}}}, false, fleet.Addr{}, "await-verdict"},
		"while a fresh group forms its master starts again": {
			Case{Self: Self{Addr: me}, Seed: fresh, Sentinels: silent(3)}, true, fleet.Addr{}, "forming"},
		"while a fresh group forms there is no data to be wiped": {
			Case{Self: Self{Addr: addr("n3"), Follows: me, HasData: true}, Seed: fresh, Sentinels: silent(3), Servers: emptied(me)}, true, me, "forming"},
		"while a fresh group forms a replica that was promoted follows nobody": {
			Case{Self: Self{Addr: addr("n3"), HasData: true}, Seed: fresh, Sentinels: silent(3)}, false, fleet.Addr{}, "forming-disagree"},
		"an equal epoch of one sentinel does not outrank the majority": {
			Case{Self: full, Sentinels: append(names(me, 2, func(v *SentinelView) { v.Epoch = 2 }),
				names(other, 1, func(v *SentinelView) { v.Epoch = 2 })...)}, true, fleet.Addr{}, "no-replica"},
		"nor does an older one beside several that name this node": {
			Case{Self: full, Sentinels: []SentinelView{{Answered: true, Names: me, Epoch: 3}, {Answered: true, Names: me, Epoch: 2}, {Answered: true, Names: other, Epoch: 1}}},
			true, fleet.Addr{}, "no-replica"},
		"an epoch without an answer counts for nothing": {
			Case{Self: full, Sentinels: append(names(me, 3, func(v *SentinelView) { v.Epoch = 1 }),
				SentinelView{Answered: true, Names: other, Epoch: 2}, SentinelView{Names: me, Epoch: 9})}, false, fleet.Addr{}, "newer-epoch"},
		"a sentinel that has just started is young": {
			Case{Self: full, DownAfter: 5 * time.Second, Sentinels: names(me, 3, func(v *SentinelView) {
				v.Uptime, v.Promotable = 0, []fleet.Addr{other}
			})}, true, fleet.Addr{}, "young-sentinels"},
		"where nobody goes on with the group's lineage the files may be the newest": {
			Case{Self: swapped, Sentinels: names(other, 3, nil), Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, Keys: 1, ReplID: "L8"}}}, true, other, "follow"},
		"a sentinel in TILT is not young": {
			Case{Self: full, DownAfter: 5 * time.Second, Sentinels: names(me, 3, func(v *SentinelView) {
				v.Uptime, v.Promotable, v.Tilt = time.Second, []fleet.Addr{other}, true
			})}, false, fleet.Addr{}, "await-failover"},
		"an uptime below zero is none": {
			Case{Self: full, DownAfter: 5 * time.Second, Sentinels: names(me, 3, func(v *SentinelView) {
				v.Uptime, v.Promotable = -time.Second, []fleet.Addr{other}
			})}, false, fleet.Addr{}, "await-failover"},
		"sentinels in TILT prove nothing of a replica that answers": {
			Case{Self: full, DownAfter: 5 * time.Second, DownFor: time.Hour, Sentinels: names(me, 3, func(v *SentinelView) { v.Tilt = v.Node != "a" }),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica}}}, false, fleet.Addr{}, "await-tilt"},
		"a majority of them awake does": {
			Case{Self: full, DownAfter: 5 * time.Second, DownFor: time.Hour, Sentinels: names(me, 3, func(v *SentinelView) { v.Tilt = v.Node == "a" }),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica}}}, true, fleet.Addr{}, "no-replica"},
		"a master that never held data starts empty": {
			Case{Self: Self{Addr: me}, Sentinels: names(me, 3, nil), Servers: []ServerView{{Addr: other}}}, true, fleet.Addr{}, "no-replica"},
		"data is not wiped by an empty master of another lineage": {
			Case{Self: full, Sentinels: names(other, 3, nil), Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, ReplID: "L9"}}}, false, fleet.Addr{}, "data-wins"},
		"an emptied master of the same lineage is followed": {
			Case{Self: full, Sentinels: names(other, 3, nil), Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, ReplID: "L9", ReplID2: "L1"}}}, true, other, "follow"},
		"while forming the elected master starts without sentinels": {
			Case{Self: Self{Addr: me}, Seed: seed, Sentinels: silent(3)}, true, fleet.Addr{}, "forming"},
		"while forming a replica follows the elected master": {
			Case{Self: Self{Addr: addr("n3"), Follows: me}, Seed: seed, Sentinels: silent(3)}, true, me, "forming"},
		"while forming a replica that lost its folder follows too": {
			Case{Self: Self{Addr: addr("n3"), NoRole: true}, Seed: seed, Sentinels: silent(3)}, true, me, "forming"},
		"while forming a master that was demoted stays a replica": {
			Case{Self: replica, Seed: seed, Sentinels: silent(3)}, true, other, "as-it-was"},
		"while forming a replica that was promoted follows nobody without a majority": {
			Case{Self: Self{Addr: addr("n3"), HasData: true}, Seed: seed, Sentinels: silent(3)}, false, fleet.Addr{}, "forming-disagree"},
		"while forming data is not wiped by an emptied master": {
			Case{Self: Self{Addr: addr("n3"), Follows: me, HasData: true}, Seed: seed, Sentinels: silent(3), Servers: emptied(me)}, false, fleet.Addr{}, "data-wins"},
		"while forming one sentinel that names another holds it": {
			Case{Self: Self{Addr: me}, Seed: seed, Sentinels: append(names(other, 1, nil), silent(2)...)}, false, fleet.Addr{}, "forming-disagree"},
		"while forming a majority still decides": {
			Case{Self: full, Seed: seed, Sentinels: append(names(other, 2, nil), silent(1)...)}, true, other, "follow"},
		"a newer epoch of one sentinel outranks the majority that names this node": {
			Case{Self: full, DownAfter: 5 * time.Second, Sentinels: append(names(me, 2, func(v *SentinelView) { v.Uptime, v.Epoch = time.Second, 1 }),
				names(other, 1, func(v *SentinelView) { v.Uptime, v.Epoch = time.Second, 2 })...)}, false, fleet.Addr{}, "newer-epoch"},
		"an older epoch of one sentinel does not": {
			Case{Self: full, Sentinels: append(names(me, 2, func(v *SentinelView) { v.Epoch = 2 }),
				names(other, 1, func(v *SentinelView) { v.Epoch = 1 })...)}, true, fleet.Addr{}, "no-replica"},
		"a master of a newer epoch does not follow the one of the older": {
			Case{Self: full, Sentinels: append(names(other, 2, func(v *SentinelView) { v.Epoch = 1 }),
				names(me, 1, func(v *SentinelView) { v.Epoch = 2 })...)}, false, fleet.Addr{}, "newer-epoch"},
		"without a majority a replica's data is not wiped either": {
			Case{Self: replica, Sentinels: silent(3), Servers: emptied(other)}, false, fleet.Addr{}, "data-wins"},
		"without sentinels a replica's data is not wiped by an emptied master": {
			Case{Topology: fleet.Replication, Self: replica, Servers: emptied(other)}, false, fleet.Addr{}, "data-wins"},
		"without sentinels a replica that lost its folder follows the master": {
			Case{Topology: fleet.Replication, Self: Self{Addr: me, NoRole: true, HadData: true}, Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, Keys: 1}}}, true, other, "follow"},
		"without sentinels and role nobody becomes a second master": {
			Case{Topology: fleet.Replication, Self: Self{Addr: me, NoRole: true}, Servers: []ServerView{{Addr: other}}}, false, fleet.Addr{}, "no-master"},
		"without sentinels an empty group's master that lost its folder is known by its replicas": {
			Case{Topology: fleet.Replication, Self: Self{Addr: me, NoRole: true}, Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Master: me}}}, true, fleet.Addr{}, "as-it-was"},
		"without sentinels a master returns as it was": {
			Case{Topology: fleet.Replication, Self: full}, true, fleet.Addr{}, "as-it-was"},
		"without sentinels a replica returns as it was": {
			Case{Topology: fleet.Replication, Self: replica}, true, other, "as-it-was"},
		"without sentinels an empty master waits": {
			Case{Topology: fleet.Replication, Self: Self{Addr: me, HadData: true}, Servers: []ServerView{{Addr: other, Answered: true, Keys: 1}}}, false, fleet.Addr{}, "no-empty-master"},
		"without sentinels a second master is refused": {
			Case{Topology: fleet.Replication, Self: full, Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster}}}, false, fleet.Addr{}, "second-master"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.c.Topology == "" {
				tc.c.Topology = fleet.Sentinel
			}
			d := Decide(tc.c)
			if d.Start != tc.start || d.Follow != tc.follow || d.Rule != tc.rule {
				t.Errorf("got start=%v follow=%q rule=%s (%s), want start=%v follow=%q rule=%s",
					d.Start, d.Follow, d.Rule, d.Reason, tc.start, tc.follow, tc.rule)
			}
			if d.Reason == "" {
				t.Error("a decision without a reason")
			}
		})
	}
}

// TestKeysAreToldOfAServerThatLoads: what it has got already says more than that it
// is not done.
func TestKeysAreToldOfAServerThatLoads(t *testing.T) {
	d := Decide(Case{Topology: fleet.Sentinel, Self: Self{Addr: addr("n1")}, Sentinels: names(addr("n1"), 3, nil),
		Servers: []ServerView{{Addr: addr("n2"), Answered: true, Keys: 7, Loading: true}}})
	if d.Rule != "no-empty-master" || !strings.Contains(d.Reason, "still holds 7 keys") {
		t.Errorf("%s: %s", d.Rule, d.Reason)
	}
}

// TestTheFirstOfANewerEpochIsTold: of two sentinels that know of one failover.
func TestTheFirstOfANewerEpochIsTold(t *testing.T) {
	me, other := addr("n1"), addr("n2")
	d := Decide(Case{Topology: fleet.Sentinel, Self: Self{Addr: me, HasData: true}, Sentinels: append(names(me, 3, nil),
		SentinelView{Node: "x", Answered: true, Names: other, Epoch: 2}, SentinelView{Node: "y", Answered: true, Names: other, Epoch: 2})})
	if d.Rule != "newer-epoch" || !strings.Contains(d.Reason, "the one on x") {
		t.Errorf("%s: %s", d.Rule, d.Reason)
	}
}

func TestFirst(t *testing.T) {
	me, other := addr("n1"), addr("n2")
	elected := func(views []SentinelView) Case {
		return Case{Topology: fleet.Sentinel, DownAfter: 5 * time.Second, Self: Self{Addr: me}, Seed: &fleet.Seed{Master: me, Fresh: true}, Sentinels: views}
	}
	cases := map[string]struct {
		c      Case
		start  bool
		follow fleet.Addr
		rule   string
	}{
		"the elected master of a group with data": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me, HasData: true}, Seed: &fleet.Seed{Master: me}}, true, fleet.Addr{}, "seed"},
		"the elected master lost the data that it was elected for": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Seed: &fleet.Seed{Master: me}}, false, fleet.Addr{}, "no-empty-master"},
		"an elected replica with data follows no empty master": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me, HasData: true}, Seed: &fleet.Seed{Master: other}, Servers: emptied(other)}, false, fleet.Addr{}, "data-wins"},
		"a machine made anew that the sentinels name waits for a silent peer": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Sentinels: names(me, 3, nil), Servers: []ServerView{{Addr: other}}}, false, fleet.Addr{}, "no-empty-master"},
		"the elected master of a fresh group lost its data, and the sentinels name another by now": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Seed: &fleet.Seed{Master: me, Fresh: true}, Sentinels: names(other, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster, Keys: 1}}}, true, other, "follow"},
		"and they still name it": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Seed: &fleet.Seed{Master: me, Fresh: true}, Sentinels: names(me, 3, nil),
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1}}}, false, fleet.Addr{}, "no-empty-master"},
		"the elected master": {Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Seed: &fleet.Seed{Master: me, Fresh: true}}, true, fleet.Addr{}, "seed"},
		"the elected master lost its disk, a replica holds writes": {Case{Topology: fleet.Sentinel, Self: Self{Addr: me},
			Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 3}}, Seed: &fleet.Seed{Master: me, Fresh: true}}, false, fleet.Addr{}, "no-empty-master"},
		"sentinels run before the elected master ever did, and can promote a replica": {
			elected(names(me, 3, canPromote(other))), false, fleet.Addr{}, "await-failover"},
		"one of them is failing over": {
			elected(append(names(me, 2, func(v *SentinelView) { v.Flags = "master,o_down,failover_in_progress" }), silent(1)...)), false, fleet.Addr{}, "failover-under-way"},
		"they are too young to have counted it out": {
			elected(names(me, 3, func(v *SentinelView) { v.Promotable, v.Uptime = []fleet.Addr{other}, time.Second })), true, fleet.Addr{}, "young-sentinels"},
		"they have promoted another that is empty too":     {elected(append(names(other, 2, nil), silent(1)...)), true, other, "follow"},
		"a minority of them can promote nobody":            {elected(append(names(me, 1, canPromote(other)), silent(2)...)), true, fleet.Addr{}, "seed"},
		"a minority of them that names another is no word": {elected(append(names(other, 1, nil), silent(2)...)), true, fleet.Addr{}, "seed"},
		"one has promoted another, and one has not heard of it": {
			elected(append(append(names(me, 1, nil), names(other, 1, nil)...), silent(1)...)), false, fleet.Addr{}, "forming-disagree"},
		"an elected replica": {Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Seed: &fleet.Seed{Master: other}}, true, other, "seed"},
		"a late node learns the master from the sentinels": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Sentinels: append(names(other, 2, nil), silent(1)...)}, true, other, "follow"},
		"a late node waits for a failover's end": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Sentinels: names(other, 3, func(v *SentinelView) { v.Flags = "master,o_down,failover_in_progress" })},
			false, fleet.Addr{}, "failover-under-way"},
		"a late sentinel does not": {
			Case{Topology: fleet.Sentinel, Sentinels: names(other, 3, func(v *SentinelView) { v.Flags = "master,o_down,failover_in_progress" })}, true, other, "follow"},
		"a late node waits for a majority": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Sentinels: append(names(other, 1, nil), silent(2)...)}, false, fleet.Addr{}, "no-majority"},
		"a wiped master waits while a replica can be promoted": {
			Case{Topology: fleet.Sentinel, Self: Self{Addr: me}, Sentinels: names(me, 3, canPromote(other))}, false, fleet.Addr{}, "await-failover"},
		"without sentinels it follows the one master": {
			Case{Topology: fleet.Replication, Self: Self{Addr: me}, Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleMaster}}}, true, other, "follow"},
		"without sentinels and master it waits": {
			Case{Topology: fleet.Replication, Self: Self{Addr: me}, Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica}}}, false, fleet.Addr{}, "no-master"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := First(tc.c)
			if d.Start != tc.start || d.Follow != tc.follow || d.Rule != tc.rule {
				t.Errorf("got start=%v follow=%q rule=%s (%s)", d.Start, d.Follow, d.Rule, d.Reason)
			}
		})
	}
}

// TestNeverASecondMaster: over generated answers, an instance of a group that
// serves, or that ran while it formed, starts as master only on the word of a
// majority, never while a failover is under way but one that waits for it, never empty while a peer
// shows keys or loads some, or is silent and may; never from a snapshot that a
// replica is ahead of; never on the silence of sentinels in TILT. It starts in no
// role at all over files of another group's beside a server of its own.
func TestNeverASecondMaster(t *testing.T) {
	hosts := []fleet.Addr{addr("n1"), addr("n2"), addr("n3")}
	rapid.Check(t, func(t *rapid.T) {
		c := Case{Topology: fleet.Sentinel, DownAfter: 5 * time.Second}
		c.Self = Self{Addr: hosts[0], HasData: rapid.Bool().Draw(t, "has"), HadData: rapid.Bool().Draw(t, "had"),
			Ran: true, ReplID: "L2", Lineages: []string{"L1", "L2"}, Volatile: rapid.Bool().Draw(t, "volatile"),
			Lineage: rapid.SampledFrom([]string{"", "L1", "L2", "X"}).Draw(t, "files"), Offset: int64(rapid.IntRange(0, 2).Draw(t, "offset"))}
		if rapid.Bool().Draw(t, "forms") {
			c.Seed = &fleet.Seed{Master: rapid.SampledFrom(hosts).Draw(t, "seed"), Fresh: rapid.Bool().Draw(t, "fresh")}
		}
		c.Self.Follows = rapid.SampledFrom([]fleet.Addr{{}, hosts[1]}).Draw(t, "follows")
		votes, awake, switching := 0, 0, false
		total := rapid.SampledFrom([]int{1, 2, 3, 5, 7}).Draw(t, "sentinels")
		for range total {
			v := SentinelView{Answered: rapid.Bool().Draw(t, "answered"), Names: rapid.SampledFrom(hosts).Draw(t, "names"),
				Flags:  rapid.SampledFrom([]string{"master", "master,failover_in_progress", "s_down,master"}).Draw(t, "flags"),
				Uptime: time.Duration(rapid.IntRange(-1, 9).Draw(t, "up")) * time.Second, Tilt: rapid.Bool().Draw(t, "tilt")}
			if rapid.Bool().Draw(t, "promotable") {
				v.Promotable = []fleet.Addr{hosts[1]}
			}
			if v.Answered && v.Names == c.Self.Addr {
				votes++
			}
			if v.Answered && !v.Tilt {
				awake++
			}
			v.Awaits = v.Names == c.Self.Addr && v.Flags == "master,failover_in_progress" && rapid.Bool().Draw(t, "awaits")
			switching = switching || v.Answered && v.Flags == "master,failover_in_progress" && (!v.Awaits || v.Tilt)
			c.Sentinels = append(c.Sentinels, v)
		}
		full, silent, ahead, own, replica := false, false, false, false, false
		for _, h := range hosts[1:] {
			s := ServerView{Addr: h, Answered: rapid.Bool().Draw(t, "up"), Keys: int64(rapid.IntRange(0, 1).Draw(t, "keys")),
				Loading: rapid.Bool().Draw(t, "loading"), Role: rapid.SampledFrom([]fleet.Role{fleet.RoleMaster, fleet.RoleReplica}).Draw(t, "role"),
				ReplID: rapid.SampledFrom([]string{"L2", "L9"}).Draw(t, "replid"), Offset: int64(rapid.IntRange(0, 2).Draw(t, "at"))}
			silent = silent || !s.Answered
			replica = replica || s.Answered && s.Role == fleet.RoleReplica
			own = own || s.Answered && s.Keys > 0 && s.ReplID == "L2"
			ahead = ahead || s.Answered && s.Keys > 0 && s.ReplID == "L2" && (c.Self.Lineage != "L2" || s.Offset > c.Self.Offset)
			full = full || s.Answered && (s.Keys > 0 || s.Loading)
			c.Servers = append(c.Servers, s)
		}
		d := Decide(c)
		if d.Start && c.Seed == nil && own && c.Self.HasData && c.Self.Lineage == "X" {
			t.Fatal("a start over files of another group's")
		}
		if !d.Start || d.Follow != (fleet.Addr{}) {
			return
		}
		if votes < total/2+1 {
			t.Fatalf("a master on the word of %d of %d", votes, total)
		}
		if switching {
			t.Fatal("a master while a failover is under way")
		}
		if !c.Self.HasData && silent && (c.Self.HadData || c.Self.Volatile) {
			t.Fatal("an empty master while a silent peer may hold data")
		}
		if c.Self.Volatile && c.Self.HasData && ahead {
			t.Fatal("a master from a snapshot that a replica is ahead of")
		}
		if replica && awake < total/2+1 {
			t.Fatal("a master on the silence of sentinels in TILT")
		}
		if full && !c.Self.HasData {
			t.Fatal("an empty master while a peer holds data")
		}
	})
}
