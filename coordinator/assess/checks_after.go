package assess

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// checkFailover: no sentinel is carrying a failover out. The one that leads goes
// on until it has seen every replica reconfigured; a second failover meanwhile can
// leave it on the address of a master that is down (hazard S22), so nobody stops or
// reboots anything before this holds.
func (v *view) checkFailover(f *finding) {
	f.want = "no sentinel is carrying a failover out: wait for it before the next restart"
	f.seen = "none of " + count(len(live(v.sentinels)), "sentinel")
	for _, s := range live(v.sentinels) {
		f.rest(s)
		if flagged(s.inst.Sentinel.MasterFlags, "failover_in_progress") {
			f.fail("the sentinel on", s.node, "is carrying a failover out")
		}
	}
}

// checkSpread: where the group's nodes stand in several zones, so do the copies
// that could go on: the master and each replica that is in sync and promotable. A
// failover moves the master, and what was spread by the spec may not be any more.
func (v *view) checkSpread(f *finding) {
	f.want = "copies that can go on in more than one zone, where the nodes are"
	all := v.zonesOf(v.servers)
	switch {
	case len(all) < 2:
		f.seen = "the nodes name no two zones"
		return
	case v.master == nil:
		f.fail("no server is master")
		return
	}
	copies := filter(live(v.servers), v.canGoOn)
	f.rest(live(v.servers)...)
	zones := v.zonesOf(copies)
	f.seen = "in zones " + list(zones)
	if len(zones) > 1 || len(copies) == 0 {
		return
	}
	elsewhere := filter(v.servers, func(m *member) bool { return !slices.Contains(zones, m.rec.Report.Zone) })
	f.fail(fmt.Sprintf("every copy that can go on is in zone %s (%s), whose loss would take them all; look at %s",
		list(zones), list(nodesOf(copies)), list(nodesOf(elsewhere))))
}

// canGoOn: the master, or a replica of it in sync that may be promoted.
func (v *view) canGoOn(m *member) bool {
	r := m.inst.Redis
	return m == v.master || r.Role == fleet.RoleReplica && r.Master == v.master.addr && r.Link == "up" && r.ReplicaPriority > 0
}

// zonesOf are the zones that the nodes of these instances name.
func (v *view) zonesOf(members []*member) []string {
	zones := map[string]bool{}
	for _, m := range members {
		if z := m.rec.Report.Zone; z != "" {
			zones[z] = true
		}
	}
	return sortedKeys(zones)
}
