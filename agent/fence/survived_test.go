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
				Self:    Self{Addr: me, HasData: true, HadData: true, ReplID: "L1"},
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1}},
			})
			if d.Rule != tc.rule || d.Start != (tc.rule == "young-sentinels") {
				t.Errorf("%s: %s, want %s", d.Rule, d.Reason, tc.rule)
			}
		})
	}
}

// TestAllSentinelsHeardIt: where no young sentinel has missed the master, none of their
// machines lost its power when it ended, so its disk has all, and it need not wait. One
// that has run for long shows that others may have.
func TestAllSentinelsHeardIt(t *testing.T) {
	me, other := addr("n1"), addr("n3")
	for name, tc := range map[string]struct {
		edit func(last *SentinelView)
		rule string
	}{
		"all did":                  {func(*SentinelView) {}, "young-sentinels"},
		"one never did":            {func(v *SentinelView) { v.Heard = false }, "await-verdict"},
		"one that does not answer": {func(v *SentinelView) { v.Heard, v.Answered = false, false }, "young-sentinels"},
		"one has run for long":     {func(v *SentinelView) { v.Uptime = 3 * time.Second }, "await-verdict"},
		"one has run for longer than it has named it": {func(v *SentinelView) { v.Heard, v.Uptime, v.Silence = false, time.Minute, time.Second }, "await-verdict"},
	} {
		t.Run(name, func(t *testing.T) {
			views := names(me, 3, func(v *SentinelView) {
				v.Heard, v.Uptime, v.Silence = true, 2*time.Second, time.Second
			})
			tc.edit(&views[2])
			d := Decide(Case{
				Topology: fleet.Sentinel, DownAfter: 5 * time.Second, Sentinels: views,
				Self:    Self{Addr: me, HasData: true, HadData: true, ReplID: "L1"},
				Servers: []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 1}},
			})
			if d.Rule != tc.rule || d.Start != (tc.rule == "young-sentinels") {
				t.Errorf("%s: %s, want %s", d.Rule, d.Reason, tc.rule)
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
