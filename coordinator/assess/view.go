package assess

import (
	"cmp"
	"slices"
	"time"

	"github.com/redfleet/redfleet/coordinator/elect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// view is one group's part of the world, resolved once: every instance that the
// spec asks for, with what its node reported and whether it is up.
type view struct {
	w   fleet.World
	g   fleet.GroupSpec
	rec *fleet.Group
	// servers and sentinels are in the order of the spec.
	servers, sentinels []*member
	// master is the server that accepts the group's writes; nil when there is
	// none, or when several claim it and the sentinels do not decide. claims are
	// all servers that say so.
	master *member
	claims []*member
}

// member is one instance of the group.
type member struct {
	node string
	kind fleet.Kind
	id   fleet.InstanceID
	addr fleet.Addr
	// myid is the id chosen for a sentinel; empty when no goal names one.
	myid string
	// found: the node has a report at all; rec is it.
	found bool
	rec   fleet.ReportRecord
	// inst is what the node reports of the instance; nil when nothing.
	inst *fleet.InstanceReport
	// at is when the report was made, never later than now.
	at time.Time
	// up: it runs, as far as its own report and the peers' evidence tell. Then
	// inst has the part of its kind. gone says what speaks against a report
	// that claims it to run.
	up   bool
	gone string
}

func newView(w fleet.World, g fleet.GroupSpec) *view {
	v := &view{w: w, g: g}
	if rec, ok := w.Groups[g.Name]; ok {
		v.rec = &rec
	}
	for _, node := range g.Nodes {
		v.servers = append(v.servers, v.member(node, fleet.KindRedis, g.Port))
	}
	if g.Topology == fleet.Sentinel {
		for _, node := range g.Sentinel.Nodes {
			v.sentinels = append(v.sentinels, v.member(node, fleet.KindSentinel, g.Sentinel.Port))
		}
	}
	v.weighEvidence()
	v.findMaster()
	return v
}

func (v *view) member(node string, kind fleet.Kind, port int) *member {
	m := &member{node: node, kind: kind, id: fleet.NewInstanceID(kind, v.g.Name, port)}
	m.rec, m.found = v.w.Reports[node]
	m.inst = m.rec.Report.Instance(m.id)
	m.at = earlier(m.rec.Report.At, v.w.Now)
	m.addr, m.myid = v.addressOf(m, port)
	return m
}

// after: m's report was written later than o's. Consul's order says so; the
// nodes' clocks only where the records do not come from Consul.
func (m *member) after(o *member) bool {
	return cmp.Or(cmp.Compare(m.rec.Index, o.rec.Index), m.at.Compare(o.at)) > 0
}

// earlier keeps a clock that runs ahead from making a report newer than now.
func earlier(at, now time.Time) time.Time {
	if at.After(now) {
		return now
	}
	return at
}

// addressOf gives the address under which peers know an instance, and a
// sentinel's id: as any goal of the group says; before there are goals, as the
// node's report tells.
func (v *view) addressOf(m *member, port int) (fleet.Addr, string) {
	for _, node := range sortedKeys(v.w.Goals) {
		for _, g := range v.w.Goals[node].Instances {
			if g.Group != v.g.Name {
				continue
			}
			find := g.Server
			if m.kind == fleet.KindSentinel {
				find = g.SentinelOn
			}
			if listed, ok := find(m.node); ok && listed.Addr.Port == port {
				return listed.Addr, listed.ID
			}
		}
	}
	if m.inst != nil && m.inst.Addr.Host != "" {
		return m.inst.Addr, ""
	}
	if m.rec.Report.Address == "" {
		return fleet.Addr{}, ""
	}
	return elect.Announced(v.g, m.rec.Report, port), ""
}

// claimed: the node's own report says that the instance runs, and carries what
// a running one shows.
func (m *member) claimed() bool {
	if m.inst == nil || m.inst.State != fleet.Running {
		return false
	}
	if m.kind == fleet.KindSentinel {
		return m.inst.Sentinel != nil
	}
	return m.inst.Redis != nil
}

// live gives the instances of a list that are up.
func live(list []*member) []*member {
	return filter(list, func(m *member) bool { return m.up })
}

func filter(list []*member, want func(*member) bool) []*member {
	var out []*member
	for _, m := range list {
		if want(m) {
			out = append(out, m)
		}
	}
	return out
}

// nodes are all nodes that the group needs, by name.
func (v *view) nodes() []string { return elect.Nodes(v.g) }

// on gives the instances of the group on one node.
func (v *view) on(node string) []*member {
	return filter(slices.Concat(v.servers, v.sentinels), func(m *member) bool { return m.node == node })
}

// named finds the instance with an address in a list; nil when none has it.
func named(list []*member, addr fleet.Addr) *member {
	for _, m := range list {
		if m.addr == addr && addr.Host != "" {
			return m
		}
	}
	return nil
}

// nameOf is how a sentence calls an address: by its node where it has one.
func nameOf(list []*member, addr fleet.Addr) string {
	if m := named(list, addr); m != nil {
		return m.node
	}
	if addr == (fleet.Addr{}) {
		return "nobody"
	}
	return addr.String()
}

// majority is how many sentinels must authorise a failover.
func (v *view) majority() int { return fleet.Majority(len(v.sentinels)) }
