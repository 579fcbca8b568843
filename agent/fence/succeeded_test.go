package fence

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestSucceededUnannounced: a replica was promoted, and the sentinel that led this told
// nobody. The old master, which the others still name, does not start beside it
// (one master at a time); beside a master of another history it does (S14).
func TestSucceededUnannounced(t *testing.T) {
	me, other := addr("n1"), addr("n2")
	for name, tc := range map[string]struct {
		self   Self
		server ServerView
		rule   string
	}{
		"promoted out of its history":        {Self{ReplID: "L1"}, ServerView{Answered: true, Role: fleet.RoleMaster, ReplID: "L2", ReplID2: "L1"}, "await-failover"},
		"of another history":                 {Self{ReplID: "L1"}, ServerView{Answered: true, Role: fleet.RoleMaster, ReplID: "L2", ReplID2: "L0"}, "no-replica"},
		"one that this node succeeded":       {Self{ReplID: "L1", Lineages: []string{"L0", "L1"}}, ServerView{Answered: true, Role: fleet.RoleMaster, ReplID: "L0"}, "no-replica"},
		"it does not answer":                 {Self{ReplID: "L1"}, ServerView{Role: fleet.RoleMaster, ReplID2: "L1"}, "no-replica"},
		"a replica again":                    {Self{ReplID: "L1"}, ServerView{Answered: true, Role: fleet.RoleReplica, ReplID2: "L1"}, "no-replica"},
		"nothing is known of either history": {Self{}, ServerView{Answered: true, Role: fleet.RoleMaster}, "no-replica"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.self.Addr, tc.self.HasData, tc.self.HadData = me, true, true
			tc.server.Addr, tc.server.Keys = other, 5
			d := Decide(Case{
				Topology: fleet.Sentinel, DownAfter: 5 * time.Second, DownFor: time.Minute, Self: tc.self, Servers: []ServerView{tc.server},
				Sentinels: names(me, 3, func(v *SentinelView) { v.Uptime, v.Silence = time.Hour, time.Minute }),
			})
			if d.Rule != tc.rule || d.Start != (tc.rule == "no-replica") {
				t.Errorf("%s: %s, want %s", d.Rule, d.Reason, tc.rule)
			}
		})
	}
}
