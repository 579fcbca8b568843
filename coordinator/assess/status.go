package assess

import (
	"sort"

	"github.com/redfleet/redfleet/internal/fleet"
)

// replicas are all servers but the master.
func (v *view) replicas() []fleet.ReplicaStatus {
	out := []fleet.ReplicaStatus{}
	for _, m := range v.servers {
		if m == v.master {
			continue
		}
		r := fleet.ReplicaStatus{Node: m.node, Addr: m.addr, Link: "down"}
		if m.up && m.inst.Redis.Role == fleet.RoleReplica {
			r.LagBytes = v.behind(m)
			if m.inst.Redis.Link == "up" {
				r.Link = "up"
			}
		}
		out = append(out, r)
	}
	return out
}

func (v *view) sentinelList() []fleet.SentinelStatus {
	out := []fleet.SentinelStatus{}
	for _, m := range v.sentinels {
		out = append(out, fleet.SentinelStatus{Node: m.node, Addr: m.addr, OK: v.reachable(m)})
	}
	return out
}

// quorum is nil for a group without sentinels.
func (v *view) quorum() *fleet.QuorumStatus {
	if v.g.Topology != fleet.Sentinel {
		return nil
	}
	q := &fleet.QuorumStatus{Required: v.g.Sentinel.Quorum, Majority: v.majority()}
	for _, m := range v.sentinels {
		if v.reachable(m) {
			q.Reachable++
		}
	}
	q.OK = q.Reachable >= max(q.Required, q.Majority)
	return q
}

// reachable: the sentinel runs, and at least half of the others that run reach
// it. Half, so that one that is cut off does not make all others unreachable.
func (v *view) reachable(m *member) bool {
	if !m.up {
		return false
	}
	others, reach := 0, 0
	for _, o := range live(v.sentinels) {
		if o == m {
			continue
		}
		others++
		if bySentinel(o, m) == seesUp {
			reach++
		}
	}
	return 2*reach >= others
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
