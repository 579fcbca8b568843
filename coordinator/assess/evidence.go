package assess

import (
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// settle is how long a link's end may have gone unreported by the other side
// before it counts as evidence: both agents look about once a second.
const settle = 3 * time.Second

// vote is what one node's report says of another node's instance.
type vote int

const (
	seesDown vote = -1
	seesNone vote = 0
	seesUp   vote = 1
)

// weighEvidence decides which instances are up.
//
// Agents write on change and every 90 s, and their sessions last minutes: a
// machine that was killed goes on claiming to run in its last report. Its peers
// notice within seconds. So an instance counts as gone when more of the nodes
// that reported later than its own do not reach it than do; and an instance
// whose agent is gone counts as up only while peers vouch for it. A report that
// is newer than all evidence against it is believed.
//
// The last report of a node that is gone itself vouches for nobody, and a node
// that most others cannot reach judges nobody. Each round can therefore take
// away votes and so show one more instance to be gone; there are at most as many
// rounds as instances.
func (v *view) weighEvidence() {
	all := slices.Concat(v.servers, v.sentinels)
	for _, m := range all {
		m.up = m.claimed()
	}
	for range len(all) + 1 {
		changed := false
		for _, m := range all {
			if !m.up {
				continue
			}
			if reason := v.againstIt(m); reason != "" {
				m.up, m.gone, changed = false, reason, true
			}
		}
		if !changed {
			return
		}
	}
}

// againstIt says what shows that a claimed instance is gone; empty when it
// counts as up.
func (v *view) againstIt(m *member) string {
	var down, up []string
	for _, node := range v.nodes() {
		if node == m.node {
			continue
		}
		switch v.voteOf(node, m) {
		case seesDown:
			down = append(down, node)
		case seesUp:
			up = append(up, node)
		case seesNone:
		}
	}
	switch {
	case len(down) > len(up):
		return "seen down by " + strings.Join(down, ", ")
	case !m.rec.Alive && len(up) == 0:
		return "its agent is gone and no peer vouches for it"
	case !m.rec.Alive && len(down) == len(up):
		return "its agent is gone and its peers disagree about it"
	}
	return ""
}

// voteOf is what the report of a node says of m: by its sentinel, or else by the
// link between master and replica.
func (v *view) voteOf(node string, m *member) vote {
	observers := filter(v.on(node), func(o *member) bool {
		return o.up && o.rec.Alive && (!m.rec.Alive || o.after(m))
	})
	byLink := seesNone
	for _, o := range observers {
		switch {
		case o.kind == fleet.KindSentinel:
			found := bySentinel(o, m)
			if found == seesDown && (v.cutOff(o) || v.refusedOnly(o, m)) {
				continue
			}
			if found != seesNone {
				return found
			}
		case m.kind == fleet.KindRedis:
			byLink = v.byLink(o, m)
		}
	}
	return byLink
}

// bySentinel reads a sentinel's lists. A peer that has not answered since the
// sentinel started is vouched for by nobody (hazard S21).
func bySentinel(o, m *member) vote {
	s := o.inst.Sentinel
	if m.kind == fleet.KindRedis && s.Master == m.addr {
		return byFlags(s.MasterFlags)
	}
	list := s.Replicas
	if m.kind == fleet.KindSentinel {
		list = s.Peers
	}
	for _, seen := range list {
		if seen.Addr != m.addr {
			continue
		}
		if found := byFlags(seen.Flags); found == seesDown || seen.Reached {
			return found
		}
	}
	return seesNone
}

// byFlags: down is what Sentinel counted down. Without a connection alone it says
// nothing: right after a switch every sentinel connects anew.
func byFlags(flags string) vote {
	switch {
	case flagged(flags, "s_down", "o_down"):
		return seesDown
	case flagged(flags, "disconnected"):
		return seesNone
	}
	return seesUp
}

// Reached: by these flags a sentinel neither counts an instance out nor has lost its
// connection to it.
func Reached(flags string) bool { return !flagged(flags, lost()...) }

// lost are the flags of an instance that a sentinel cannot speak to now.
func lost() []string { return []string{"s_down", "o_down", "disconnected"} }

// flagged: one of the words stands among a sentinel's flags.
func flagged(flags string, words ...string) bool {
	return slices.ContainsFunc(strings.Split(flags, ","), func(f string) bool { return slices.Contains(words, f) })
}

// cutOff: more of the other sentinels do not reach this one than do. What it
// says of the others then tells of its own network.
func (v *view) cutOff(o *member) bool {
	balance := 0
	for _, p := range v.sentinels {
		if p != o && p.claimed() && p.rec.Alive {
			balance += int(bySentinel(p, o))
		}
	}
	return balance < 0
}

// refusedOnly: o does not get on with the sentinel m and yet reaches the server
// on m's machine. Then the machine is there, and its agent would tell if m were
// not: what is wrong may be o's own, such as the password that it shows its
// peers, and it must not condemn all of them by it.
func (v *view) refusedOnly(o, m *member) bool {
	if m.kind != fleet.KindSentinel || !m.rec.Alive {
		return false
	}
	return slices.ContainsFunc(v.servers, func(s *member) bool {
		return s.node == m.node && bySentinel(o, s) == seesUp
	})
}

// byLink reads the replication link between two servers. A missing link speaks
// against the other side only where that side's older report still shows it: a
// server that lives reports the loss itself, and a replica that is being synced
// has no link yet.
func (v *view) byLink(o, m *member) vote {
	mine, other := o.inst.Redis, m.inst.Redis
	settled := v.w.Now.Sub(o.at) >= settle
	switch {
	case mine.Role == fleet.RoleReplica && mine.Master == m.addr:
		if mine.Link == "up" {
			return seesUp
		}
		if settled && slices.Contains(other.Replicas, o.addr) {
			return seesDown
		}
	case mine.Role == fleet.RoleMaster && other.Role == fleet.RoleReplica && other.Master == o.addr:
		if slices.Contains(mine.Replicas, m.addr) {
			return seesUp
		}
		if settled && other.Link == "up" {
			return seesDown
		}
	}
	return seesNone
}
