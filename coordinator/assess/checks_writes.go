package assess

import (
	"fmt"

	"github.com/redfleet/redfleet/internal/fleet"
)

// checkWritable: the master has the replicas that it wants before it takes a
// write (spec key durability, hazard D4).
func (v *view) checkWritable(f *finding) {
	f.want = "the master takes writes"
	if v.master == nil {
		f.fail("no server is master")
		return
	}
	f.rest(v.master)
	f.seen = v.master.node + " takes them without a replica's answer"
	if r := v.master.inst.Redis; r.MinReplicas > 0 {
		f.seen = fmt.Sprintf("%s has the answers of %s, %d needed", v.master.node, count(r.GoodReplicas, "replica"), r.MinReplicas)
	}
	if refusal := v.refusal(); refusal != "" {
		f.fail(refusal)
	}
}

// refusal says why the master refuses writes for want of replicas; empty when it
// does not.
func (v *view) refusal() string {
	r := v.master.inst.Redis
	if r.GoodReplicas >= r.MinReplicas {
		return ""
	}
	why := "min-replicas-to-write"
	if v.g.Durability != fleet.Fast {
		why = fmt.Sprintf("durability = %q", v.g.Durability)
	}
	text := fmt.Sprintf("%s refuses writes (NOREPLICAS): %s answered in time and %s wants %d", v.master.node,
		count(r.GoodReplicas, "replica"), why, r.MinReplicas)
	if missing := v.notFollowing(); len(missing) > 0 {
		text += "; bring back " + list(missing)
	}
	return text
}

// notFollowing are the nodes whose server is not the master's replica online.
func (v *view) notFollowing() []string {
	return nodesOf(filter(v.servers, func(m *member) bool {
		return m != v.master && (!m.up || m.inst.Redis.Link != "up" || m.inst.Redis.Master != v.master.addr)
	}))
}

const lookAtDisk = "look at its disk, and do not stop it before it can write again: it would refuse to end"

// checkPersistence: what a server cannot write to its disk is lost with its
// process. It refuses writes meanwhile, and to end (hazard D2).
func (v *view) checkPersistence(f *finding) {
	f.want = "each server writes its data to its disk"
	f.seen = count(len(live(v.servers)), "server") + " without an error"
	for _, m := range live(v.servers) {
		f.rest(m)
		r := m.inst.Redis
		switch {
		case r.AOFError && m == v.master:
			f.fail(m.node, "cannot write its append-only file and refuses writes (MISCONF):", lookAtDisk)
		case r.AOFError:
			f.fail(m.node, "cannot write its append-only file:", lookAtDisk)
		case r.SaveError && m == v.master:
			f.fail(m.node, "cannot write its snapshot and, if it has save points, refuses writes (MISCONF):", lookAtDisk)
		case r.SaveError:
			f.fail(m.node, "cannot write its snapshot:", lookAtDisk)
		}
	}
}
