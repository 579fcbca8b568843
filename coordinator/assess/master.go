package assess

import (
	"fmt"

	"github.com/redfleet/redfleet/internal/fleet"
)

// findMaster decides who accepts the group's writes. ROLE says it. Where two
// servers say master, an older report gives way to a newer one that most
// sentinels confirm: that is a failover of which the old master's machine has
// not told. Two that stand are a split; then the master is the one that most
// sentinels name, if there is one.
func (v *view) findMaster() {
	v.claims = filter(v.servers, func(m *member) bool { return m.up && m.inst.Redis.Role == fleet.RoleMaster })
	for _, old := range v.claims {
		for _, next := range v.claims {
			if old.up && next.up && old != next && v.superseded(old, next) {
				old.up = false
				old.gone = fmt.Sprintf("its report from before the failover says master, the sentinels name %s", next.node)
			}
		}
	}
	v.claims = live(v.claims)
	if len(v.claims) == 1 {
		v.master = v.claims[0]
		return
	}
	for _, m := range v.claims {
		if v.namedByMost(m, live(v.sentinels)) {
			v.master = m
		}
	}
}

// superseded: next reported later than old, and so did most sentinels on other
// nodes than old's, which name next. The report of an agent that is gone is older
// than any other: the end of its session gives it an index of its own.
func (v *view) superseded(old, next *member) bool {
	later := func(m *member) bool { return !old.rec.Alive || m.after(old) }
	if !later(next) {
		return false
	}
	elsewhere := filter(live(v.sentinels), func(s *member) bool { return s.node != old.node })
	return 2*countNaming(filter(elsewhere, later), next.addr) > len(elsewhere)
}

func (v *view) namedByMost(m *member, sentinels []*member) bool {
	return 2*countNaming(sentinels, m.addr) > len(sentinels)
}

func countNaming(sentinels []*member, addr fleet.Addr) int {
	n := 0
	for _, s := range sentinels {
		if s.inst.Sentinel.Master == addr {
			n++
		}
	}
	return n
}

// lastMaster is the server that was master by the last that is known, for a
// sentence about a group that has none; nil when nothing tells.
func (v *view) lastMaster() *member {
	for _, m := range v.servers {
		if v.namedByMost(m, live(v.sentinels)) {
			return m
		}
	}
	for _, m := range v.servers {
		if m.inst != nil && m.inst.Redis != nil && m.inst.Redis.Role == fleet.RoleMaster {
			return m
		}
	}
	for _, m := range v.servers {
		for _, r := range live(v.servers) {
			if r.inst.Redis.Master == m.addr {
				return m
			}
		}
	}
	return nil
}
