package fence

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestMastersOfWhichOneSentinelLivedOn: two of three machines lost their power, the
// master's among them, and their sentinels are young. The master starts at once only
// where no sentinel that lived on beside a replica shows that this one has what the
// master's disk had not synced (data-wins).
func TestMastersOfWhichOneSentinelLivedOn(t *testing.T) {
	me, other := addr("n1"), addr("n3")
	for name, tc := range map[string]struct {
		edit func(old *SentinelView)
		rule string
	}{
		"it heard the master": {func(*SentinelView) {}, "await-verdict"},
		"it does not answer":  {func(v *SentinelView) { v.Answered = false }, "young-sentinels"},
		"it came up before the others, and never heard the master": {func(v *SentinelView) {
			v.Uptime, v.Silence = time.Minute+1500*time.Millisecond, time.Minute
		}, "young-sentinels"},
		"it heard the master for a moment": {func(v *SentinelView) {
			v.Uptime, v.Silence = time.Minute+1501*time.Millisecond, time.Minute
		}, "await-verdict"},
		"it heard the master, which its uptime does not tell": {func(v *SentinelView) {
			v.Heard, v.Uptime, v.Silence = true, 5*time.Second, 3654*time.Millisecond
		}, "await-verdict"},
		"it heard the master, and is as young": {func(v *SentinelView) {
			v.Heard, v.Uptime, v.Silence = true, 2*time.Second, 2*time.Second
		}, "await-verdict"},
		"it is as young":            {func(v *SentinelView) { v.Uptime, v.Silence = 3*time.Second-1, time.Millisecond }, "young-sentinels"},
		"it is not young by a hair": {func(v *SentinelView) { v.Uptime, v.Silence = 3*time.Second, time.Millisecond }, "await-verdict"},
	} {
		t.Run(name, func(t *testing.T) {
			views := names(me, 3, func(v *SentinelView) {
				v.Uptime, v.Silence = 2*time.Second, 2*time.Second
			})
			old := &views[2]
			old.Uptime, old.Silence = time.Hour, 30*time.Second
			tc.edit(old)
			d := Decide(Case{
				Topology: fleet.Sentinel, DownAfter: 5 * time.Second, Sentinels: views,
				Self:    Self{Addr: me, HasData: true, HadData: true, ReplID: "L1", Rebooted: true},
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1}},
			})
			if d.Rule != tc.rule || d.Start != (tc.rule == "young-sentinels") {
				t.Errorf("%s: %s, want %s", d.Rule, d.Reason, tc.rule)
			}
		})
	}
}

// TestYoungSentinelsHeardIt: young sentinels that heard the master show, where its machine
// was booted since, that not all lost their power: a replica may have what its disk has
// not. Where its process alone ended the disk has all, and it need not wait. One sentinel
// that has run for long shows it in any case.
func TestYoungSentinelsHeardIt(t *testing.T) {
	me, other := addr("n1"), addr("n3")
	const young, waits = "young-sentinels", "await-verdict"
	for name, tc := range map[string]struct {
		edit              func(views []SentinelView)
		crashed, rebooted string
	}{
		"all did":                  {func([]SentinelView) {}, young, waits},
		"one never did":            {func(v []SentinelView) { v[2].Heard = false }, young, waits},
		"one that does not answer": {func(v []SentinelView) { v[2] = SentinelView{Node: "c", Heard: true} }, young, waits},
		"one alone did":            {func(v []SentinelView) { v[1].Heard, v[2].Heard = false, false }, young, waits},
		"nobody did":               {func(v []SentinelView) { v[0].Heard, v[1].Heard, v[2].Heard = false, false, false }, young, young},
		"nobody who answers did": {func(v []SentinelView) {
			v[0].Heard, v[1].Heard, v[2] = false, false, SentinelView{Node: "c", Heard: true}
		}, young, young},
		"one has run for long":                        {func(v []SentinelView) { v[2].Uptime = 3 * time.Second }, waits, waits},
		"one has run for longer than it has named it": {func(v []SentinelView) { v[2].Heard, v[2].Uptime, v[2].Silence = false, time.Minute, time.Second }, waits, waits},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rebooted := range []bool{false, true} {
				views := names(me, 3, func(v *SentinelView) {
					v.Heard, v.Uptime, v.Silence = true, 2*time.Second, time.Second
				})
				tc.edit(views)
				d := Decide(Case{
					Topology: fleet.Sentinel, DownAfter: 5 * time.Second, Sentinels: views,
					Self:    Self{Addr: me, HasData: true, HadData: true, ReplID: "L1", Rebooted: rebooted},
					Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1}},
				})
				want := map[bool]string{false: tc.crashed, true: tc.rebooted}[rebooted]
				if d.Rule != want || d.Start != (want == young) {
					t.Errorf("booted since: %v: %s: %s, want %s", rebooted, d.Rule, d.Reason, want)
				}
			}
		})
	}
}

// TestNoReplicaLivedOn: where no replica answers with data, nobody has more than the
// master that comes back.
func TestNoReplicaLivedOn(t *testing.T) {
	me, other := addr("n1"), addr("n3")
	for name, tc := range map[string]struct {
		server ServerView
		rule   string
	}{
		"it answers with data": {ServerView{Answered: true, Role: fleet.RoleReplica, Keys: 1}, "await-verdict"},
		"it loads what it has": {ServerView{Answered: true, Role: fleet.RoleReplica, Loading: true}, "await-verdict"},
		"it is empty":          {ServerView{Answered: true, Role: fleet.RoleReplica}, "young-sentinels"},
		"it does not answer":   {ServerView{Role: fleet.RoleReplica, Keys: 1}, "young-sentinels"},
		"it is no replica":     {ServerView{Answered: true, Role: fleet.RoleMaster, Keys: 1}, "young-sentinels"},
	} {
		t.Run(name, func(t *testing.T) {
			views := names(me, 3, func(v *SentinelView) { v.Uptime, v.Silence = 2*time.Second, 2*time.Second })
			views[2].Uptime, views[2].Silence = time.Hour, 30*time.Second
			tc.server.Addr = other
			d := Decide(Case{
				Topology: fleet.Sentinel, DownAfter: 5 * time.Second, Sentinels: views, Servers: []ServerView{tc.server},
				Self: Self{Addr: me, HasData: true, HadData: true, ReplID: "L1"},
			})
			if d.Rule != tc.rule {
				t.Errorf("%s: %s, want %s", d.Rule, d.Reason, tc.rule)
			}
		})
	}
}
