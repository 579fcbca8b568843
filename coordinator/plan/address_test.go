package plan_test

import (
	"testing"

	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestANodeAtAnotherAddress: a node's report names another address than the goals that
// stand. While a fellow's sentinel reaches what runs at the old one it is a second
// machine under the name (hazard M4; simulation, seed 462), and nothing is planned; the
// goals follow one that was replaced, or has moved.
func TestANodeAtAnotherAddress(t *testing.T) {
	const elsewhere = "192.0.2.77"
	counted := func(w fleet.World, nodes ...string) {
		for _, node := range nodes {
			s := assesstest.SentinelOn(w, node).Sentinel
			assesstest.Seen(s.Peers, assesstest.SentinelAddr("n3")).Flags = "s_down,sentinel,disconnected"
			assesstest.Seen(s.Replicas, assesstest.Server("n3")).Flags = "s_down,slave,disconnected"
		}
	}
	for name, tc := range map[string]struct {
		edit    func(w fleet.World)
		node    string
		follows bool
	}{
		"a replica, and all reach it":  {func(fleet.World) {}, "n3", false},
		"the master, and all reach it": {func(fleet.World) {}, "n1", false},
		"one of two counts it out":     {func(w fleet.World) { counted(w, "n1") }, "n3", false},
		"both count it out":            {func(w fleet.World) { counted(w, "n1", "n2") }, "n3", true},
		"who reaches it reports no more": {func(w fleet.World) {
			counted(w, "n1")
			assesstest.Edit(w, "n2", func(r *fleet.ReportRecord) { r.Alive = false })
		}, "n3", true},
		"its sentinel alone is reached": {func(w fleet.World) {
			counted(w, "n1", "n2")
			assesstest.Seen(assesstest.SentinelOn(w, "n2").Sentinel.Peers, assesstest.SentinelAddr("n3")).Flags = "sentinel"
		}, "n3", false},
		"its server alone is reached": {func(w fleet.World) {
			counted(w, "n1", "n2")
			assesstest.Seen(assesstest.SentinelOn(w, "n2").Sentinel.Replicas, assesstest.Server("n3")).Flags = "slave"
		}, "n3", false},
		"its own sentinel counts nothing": {func(w fleet.World) { counted(w, "n1", "n2") }, "n3", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := served(t)
			tc.edit(w)
			assesstest.Edit(w, tc.node, func(r *fleet.ReportRecord) { r.Report.Address = elsewhere })
			p := plan.Next(w, counter())
			if !tc.follows {
				if !p.Empty() {
					t.Errorf("the plan is %+v", p)
				}
				return
			}
			for _, goal := range p.Goals {
				for _, inst := range goal.Instances {
					if m, ok := inst.Server(tc.node); !ok || m.Addr.Host != elsewhere {
						t.Errorf("%s on %s: the server of %s is %+v", inst.ID, goal.Node, tc.node, m)
					}
				}
			}
			if len(p.Goals) != 3 {
				t.Errorf("%d goals are written", len(p.Goals))
			}
		})
	}
}
