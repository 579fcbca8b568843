package request

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// turn is what comes next while a group's sentinels forget who left.
type turn struct {
	// node is the sentinel that is to forget now; empty for none.
	node string
	// waits says what must come first; empty when nothing is left to forget.
	waits string
}

// forget decides whose turn it is. SENTINEL RESET takes a sentinel's replicas and
// peers away until it has learned them anew, so that it can promote nobody for up to
// 10 s (hazard S5): it is asked of one sentinel, while the master is well, no
// failover is under way, and the other sentinels could promote a replica; and of
// the next one only when the last is complete again and the gap is over. newcomer is
// a node whose instances need not run yet. sinceLast is how long ago this coordinator
// learned of the last token.
func (c circle) forget(newcomer string, sinceLast, gap time.Duration) turn {
	checks := []func() string{
		func() string { return c.missing(newcomer) }, c.unheard, c.unsettled, c.incomplete, c.alive,
		func() string { return tooSoon(c.rec, sinceLast, gap) },
	}
	for _, check := range checks {
		if why := check(); why != "" {
			return turn{waits: why}
		}
	}
	for _, s := range c.sentinels {
		if len(c.foreign(s)) == 0 {
			continue
		}
		if why := c.lonely(s); why != "" {
			return turn{waits: why}
		}
		return turn{node: s.Node, waits: "waits until the sentinel on " + s.Node + " has forgotten and learned anew"}
	}
	return turn{}
}

// missing: a sentinel that is down may know who left, and counts as a vote.
func (c circle) missing(newcomer string) string {
	for _, s := range c.sentinels {
		if !s.up && s.Node != newcomer {
			return "waits for the sentinel on " + s.Node + ", which does not run or does not report"
		}
	}
	return ""
}

// unheard: the last token was not carried out yet. One whose node left meanwhile, or
// whose sentinel is new, counts for nothing.
func (c circle) unheard() string {
	last := lastToken(c.rec)
	if last == nil {
		return ""
	}
	for _, s := range c.sentinels {
		if s.Node == last.Node && s.up && s.inst.Sentinel.Forgot != last.Token {
			return "waits until the sentinel on " + s.Node + " has forgotten and learned anew"
		}
	}
	return ""
}

func lastToken(rec fleet.Group) *fleet.Forget {
	if rec.Members == nil {
		return nil
	}
	return rec.Members.Forget
}

// unsettled: the sentinels do not agree on a master that is well.
func (c circle) unsettled() string {
	var master fleet.Addr
	for _, s := range c.sentinels {
		if !s.up {
			continue
		}
		r := s.inst.Sentinel
		switch {
		case r.Tilt:
			return "waits until the sentinel on " + s.Node + " is out of TILT"
		case strings.Contains(r.MasterFlags, "failover") || down(r.MasterFlags) || strings.Contains(r.MasterFlags, "disconnected"):
			return "waits until the sentinel on " + s.Node + " sees the master well"
		case master != (fleet.Addr{}) && r.Master != master:
			return "waits until the sentinels name one master"
		}
		master = r.Master
	}
	m := find(c.servers, master)
	if m == nil || !m.up || m.inst.Redis.Role != fleet.RoleMaster {
		return "waits until the server that the sentinels name, " + master.String() + ", is the master and a member"
	}
	return ""
}

// incomplete: a sentinel does not know, or not reach, a member that runs.
func (c circle) incomplete() string {
	for _, s := range c.sentinels {
		if !s.up {
			continue
		}
		for _, p := range c.sentinels {
			if e, ok := entry(s.inst.Sentinel.Peers, p.Addr); p.up && p.Node != s.Node && (!ok || !wellSeen(e)) {
				return fmt.Sprintf("waits until the sentinel on %s reaches the one on %s", s.Node, p.Node)
			}
		}
		for _, r := range c.servers {
			if e, ok := entry(s.inst.Sentinel.Replicas, r.Addr); r.up && r.Addr != s.inst.Sentinel.Master && (!ok || !wellSeen(e)) {
				return fmt.Sprintf("waits until the sentinel on %s reaches the replica on %s", s.Node, r.Node)
			}
		}
	}
	return ""
}

// alive: what is to be forgotten still answers, or the master still lists it as its
// replica, as it does a machine that lost its power until repl-timeout (60 s) is over.
// It would be learned again at once.
func (c circle) alive() string {
	for _, s := range c.sentinels {
		for _, e := range c.foreign(s) {
			if m := find(c.servers, s.inst.Sentinel.Master); m != nil && m.up && slices.Contains(m.inst.Redis.Replicas, e.Addr) {
				return fmt.Sprintf("waits until the master on %s gives up its replica %s, which is no member any more", m.Node, e.Addr)
			}
			if !down(e.Flags) {
				return fmt.Sprintf("waits until %s, which is no member any more, is down for the sentinel on %s", e.Addr, s.Node)
			}
		}
	}
	return ""
}

func tooSoon(rec fleet.Group, since, gap time.Duration) string {
	if lastToken(rec) != nil && since < gap {
		return "waits " + gap.String() + " before the next sentinel"
	}
	return ""
}

// lonely: without this sentinel the others could promote nobody, although a replica
// is in step.
func (c circle) lonely(forgetting seat) string {
	inStep := slices.ContainsFunc(c.servers, func(s seat) bool {
		return s.up && s.inst.Redis.Role == fleet.RoleReplica && s.inst.Redis.Link == "up" && s.inst.Redis.ReplicaPriority > 0
	})
	if !inStep {
		return ""
	}
	for _, s := range c.sentinels {
		if s.Node == forgetting.Node || !s.up {
			continue
		}
		if !slices.ContainsFunc(s.inst.Sentinel.Replicas, func(r fleet.SeenInstance) bool { return r.Promotable && !down(r.Flags) }) {
			return "waits until the sentinel on " + s.Node + " could promote a replica"
		}
	}
	return ""
}
