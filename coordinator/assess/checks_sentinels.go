package assess

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// checkSentinelMaster: every sentinel names the server whose ROLE is master, and
// watches nothing else.
func (v *view) checkSentinelMaster(f *finding) {
	f.want = "every sentinel names the master by ROLE and watches " + v.g.Sentinel.MasterName + " alone"
	if v.master == nil {
		f.fail("no server to compare with is master")
	} else {
		f.rest(v.master)
		f.seen = fmt.Sprintf("%s name %s", count(len(live(v.sentinels)), "sentinel"), v.master.node)
	}
	for _, s := range live(v.sentinels) {
		f.rest(s)
		r := s.inst.Sentinel
		switch {
		case v.master != nil && r.Master != v.master.addr:
			f.fail("the sentinel on", s.node, "names", nameOf(v.servers, r.Master))
		case flagged(r.MasterFlags, lost()...):
			f.fail("the sentinel on", s.node, "flags its master", r.MasterFlags)
		}
		if !slices.Equal(r.Monitored, []string{v.g.Sentinel.MasterName}) {
			f.fail("the sentinel on", s.node, "watches", orNobody(r.Monitored))
		}
	}
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return list(names)
}

// myid is the id that a sentinel is to have: as the goals say, else as it says
// itself.
func (v *view) myid(m *member) string {
	if m.myid == "" && m.inst != nil && m.inst.Sentinel != nil {
		return m.inst.Sentinel.MyID
	}
	return m.myid
}

// checkSentinelPeers: every sentinel knows exactly the others, by address and
// id: a wrong or additional one is a vote that nobody can give (hazard S4).
func (v *view) checkSentinelPeers(f *finding) {
	f.want = fmt.Sprintf("every sentinel knows exactly the %d others by address and id", len(v.sentinels)-1)
	f.seen = count(len(live(v.sentinels)), "complete list")
	for _, s := range live(v.sentinels) {
		f.rest(s)
		if id := v.myid(s); s.inst.Sentinel.MyID != id {
			f.fail("the sentinel on", s.node, "has id", s.inst.Sentinel.MyID+",", "not", id)
		}
		v.comparePeers(f, s)
	}
}

func (v *view) comparePeers(f *finding, s *member) {
	who := "the sentinel on " + s.node
	known := s.inst.Sentinel.Peers
	for _, other := range v.sentinels {
		if other == s {
			continue
		}
		entries := slices.DeleteFunc(slices.Clone(known), func(p fleet.SeenInstance) bool { return p.Addr != other.addr })
		id := v.myid(other)
		switch {
		case len(entries) == 0:
			f.fail(who, "does not know the one on", other.node)
		case len(entries) > 1:
			f.fail(who, "knows the one on", other.node, fmt.Sprint(len(entries)), "times")
		case id != "" && entries[0].ID != id:
			f.fail(who, "knows the one on", other.node, "as", entries[0].ID+",", "not", id)
		}
	}
	for _, p := range known {
		if m := named(v.sentinels, p.Addr); m == nil || m == s {
			f.fail(who, "knows a foreign one,", p.Addr.String(), "with id", p.ID)
		}
	}
}

// checkSentinelReplicas: every sentinel lists exactly the servers beside its
// master. A foreign entry is dangerous: Sentinel would make that server a
// replica and wipe it, or promote it (hazard S14).
func (v *view) checkSentinelReplicas(f *finding) {
	f.want = "every sentinel lists exactly the servers beside the master"
	f.seen = count(len(live(v.sentinels)), "complete list")
	for _, s := range live(v.sentinels) {
		f.rest(s)
		r := s.inst.Sentinel
		who := "the sentinel on " + s.node
		for _, m := range v.servers {
			listed := slices.ContainsFunc(r.Replicas, func(x fleet.SeenInstance) bool { return x.Addr == m.addr })
			if !listed && m.addr != r.Master {
				f.fail(who, "does not list", m.node)
			}
		}
		for _, x := range r.Replicas {
			switch {
			case named(v.servers, x.Addr) != nil:
			case x.SaysMaster:
				f.fail(who, "lists a foreign server,", x.Addr.String()+", which says it is a master: Sentinel would make it a replica and wipe it, or promote it; take its password or its address from it")
			default:
				f.fail(who, "lists a foreign server,", x.Addr.String())
			}
		}
	}
}

// checkSentinelReach: each sentinel that runs has an answer from each other one
// since it started. Lists and CKQUORUM prove nothing of it (hazard S21).
func (v *view) checkSentinelReach(f *finding) {
	f.want = "each sentinel has an answer from each other one since it started"
	pairs := 0
	for _, s := range live(v.sentinels) {
		f.rest(s)
		for _, p := range s.inst.Sentinel.Peers {
			other := named(live(v.sentinels), p.Addr)
			if other == nil || other == s {
				continue
			}
			pairs++
			switch {
			case flagged(p.Flags, lost()...):
				f.fail(s.node, "does not reach", other.node, "("+p.Flags+")")
			case !p.Reached:
				f.fail(s.node, "has no answer from", other.node, "yet")
			}
		}
	}
	f.seen = count(pairs, "pair") + " answered"
}

// checkQuorum: each sentinel has the spec's quorum and says that it is met.
func (v *view) checkQuorum(f *finding) {
	want := v.g.Sentinel.Quorum
	f.want = fmt.Sprintf("quorum %d, CKQUORUM OK on each sentinel", want)
	f.seen = fmt.Sprintf("OK on %s", count(len(live(v.sentinels)), "sentinel"))
	for _, s := range live(v.sentinels) {
		f.rest(s)
		r := s.inst.Sentinel
		if r.Quorum != want {
			f.fail(fmt.Sprintf("the sentinel on %s has quorum %d", s.node, r.Quorum))
		}
		if r.CKQuorum != "" {
			f.fail("the sentinel on", s.node, "says", r.CKQuorum)
		}
		if r.Tilt {
			f.fail("the sentinel on", s.node, "is in TILT and does nothing for up to 30 s (a clock jump or a stalled machine)")
		}
	}
}

// checkMajority: enough sentinels are reached to authorise a failover. How many
// there are, and where, is said beside it (hazard S17).
func (v *view) checkMajority(f *finding) {
	q := v.quorum()
	f.want = fmt.Sprintf("at least %d of %s reachable", v.majority(), count(len(v.sentinels), "sentinel"))
	f.rest(live(v.sentinels)...)
	seen := fmt.Sprintf("%d of %d reachable", q.Reachable, len(v.sentinels))
	if notes := v.sentinelPlacement(); len(notes) > 0 {
		seen += " (note: " + strings.Join(notes, "; ") + ")"
	}
	f.seen = seen
	if q.Reachable < v.majority() {
		f.fail(seen)
	}
}

// sentinelPlacement says what the number and the places of the sentinels cannot
// survive.
func (v *view) sentinelPlacement() []string {
	var notes []string
	n := len(v.sentinels)
	switch {
	case n < 3:
		notes = append(notes, count(n, "sentinel")+" cannot outvote the loss of one; use 3")
	case n%2 == 0:
		notes = append(notes, fmt.Sprintf("%d sentinels survive no more losses than %d", n, n-1))
	}
	machines := map[string]bool{}
	for _, s := range v.sentinels {
		machines[s.rec.Report.MachineID] = true
	}
	if n > 1 && len(machines) == 1 && !machines[""] {
		notes = append(notes, "all sentinels are on one machine")
	}
	return notes
}

// checkPromotable: most sentinels see a replica that they could promote. CKQUORUM
// does not look at that (hazard S6).
func (v *view) checkPromotable(f *finding) {
	if len(v.servers) == 1 {
		f.want = "nothing: the group has one server"
		f.seen = "the group has one server; nothing can be promoted when it fails"
		return
	}
	f.want = fmt.Sprintf("a promotable replica at %d sentinels or more", v.majority())
	var without []string
	sees := 0
	for _, s := range live(v.sentinels) {
		f.rest(s)
		if s.seesPromotable() {
			sees++
		} else {
			without = append(without, s.node)
		}
	}
	f.seen = fmt.Sprintf("%d of %s see one", sees, count(len(v.sentinels), "sentinel"))
	if sees < v.majority() {
		f.fail(fmt.Sprintf("only %d of %s see one", sees, count(len(v.sentinels), "sentinel")) + noneAt(without))
	}
}

func noneAt(nodes []string) string {
	if len(nodes) == 0 {
		return ""
	}
	return ", none on " + list(nodes)
}

func (m *member) seesPromotable() bool {
	return slices.ContainsFunc(m.inst.Sentinel.Replicas, func(r fleet.SeenInstance) bool {
		return r.Promotable && !flagged(r.Flags, lost()...)
	})
}
