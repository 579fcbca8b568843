// Package evidence decides whether the agent beside a master whose process died
// asks a sentinel for a failover at once, instead of leaving it to the sentinels'
// own detection, which waits for down-after (docs/design.md, "Failover on evidence").
//
// SENTINEL FAILOVER needs no vote (hazard S18), and an old master that comes back
// meanwhile is a second one (S20). So the answer is no wherever anything is missing:
// Sentinel's own detection then does what it always did. The decision is pure.
package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
)

// leastLeft is what must be left, at least, of each sentinel's down-after: the
// request, the promotion and the hello that tells of it take less.
const leastLeft = 1500 * time.Millisecond

// Patience is how long after the end of the process was seen the request may still
// be sent: a quarter of down-after, between 1 and 5 s.
func Patience(m fleet.Monitor) time.Duration {
	return min(max(m.DownAfter.Std()/4, time.Second), 5*time.Second)
}

// Verdict is what to do now.
type Verdict int

// The verdicts.
const (
	// Leave it to the sentinels' own detection, for good.
	Leave Verdict = iota
	// Wait a moment and look again: what is missing may come.
	Wait
	// Ask the sentinel that Decision names.
	Ask
)

// Last is how the server was last seen running, which was as the master.
type Last struct {
	ReplID string
	Offset int64
	// Replicas are those that were in sync with it.
	Replicas []fleet.Addr
}

// Case is all that a decision rests on.
type Case struct {
	// Node and Self are the machine and the server that died.
	Node string
	Self fleet.Addr
	// Crashed: its process ended by a signal or with an error. SinceEnd is how long
	// ago that was seen.
	Crashed  bool
	SinceEnd time.Duration
	Last     Last
	// Monitor is how the sentinels watch the group.
	Monitor fleet.Monitor
	// Listening: somebody listens on the server's port.
	Listening bool
	// Sentinels has one view for each sentinel of the group, Servers one for each
	// other server, all asked after the process ended.
	Sentinels []fence.SentinelView
	Servers   []fence.ServerView
}

// Decision is a verdict with its reason.
type Decision struct {
	Verdict Verdict
	// Sentinel is the node whose sentinel to ask.
	Sentinel string
	Rule     string
	Reason   string
}

// Decide gives the decision. It never says Ask where two sentinels could come to
// promote two replicas, or where a replica could be promoted that lacks what
// another one has.
func Decide(c Case) Decision {
	if d, over := standing(c); over {
		return d
	}
	if d, over := sentinels(c); over {
		return d
	}
	synced, d, over := replicas(c)
	if over {
		return d
	}
	if c.SinceEnd > Patience(c.Monitor) {
		return leave("too-late", "the process ended %s ago", c.SinceEnd.Round(time.Millisecond))
	}
	for _, v := range preferOthers(c) {
		if able(c, v, synced) {
			return Decision{Verdict: Ask, Sentinel: v.Node, Rule: "ask", Reason: fmt.Sprintf(
				"the master's process ended, a majority of the sentinels names it and counts nobody as down, and every replica that the sentinel on %s can promote has all that the others have", v.Node)}
		}
	}
	return c.wait("no-sentinel", "no sentinel that reaches a majority can promote a replica, or can promote only those in sync")
}

// standing judges what does not depend on any answer.
func standing(c Case) (Decision, bool) {
	need := fleet.Majority(len(c.Sentinels))
	switch {
	case c.Monitor.OnCrash == fleet.OnCrashRestart:
		return leave("restart", "the group's spec says on_crash = restart"), true
	case !c.Crashed:
		return leave("not-a-crash", "the process ended in good order, so somebody ended it"), true
	case c.Monitor.DownAfter < fleet.LeastEvidence:
		return leave("short-down-after", "down-after is %s, too short to be sure of being first", c.Monitor.DownAfter), true
	case c.Monitor.Quorum < need:
		return leave("low-quorum", "with quorum %d of %d a sentinel that cannot be seen from here could begin a failover too", c.Monitor.Quorum, len(c.Sentinels)), true
	case c.Listening:
		return leave("started-again", "somebody listens on its port again"), true
	case len(c.Last.Replicas) == 0:
		return leave("no-replica", "no replica was in sync with it"), true
	}
	return Decision{}, false
}

// sentinels judges what the sentinels say of the master. One that names another, is
// failing over or counts the master as down ends it: Sentinel is at it itself.
func sentinels(c Case) (Decision, bool) {
	votes, epoch, answered := 0, uint64(0), false
	for _, v := range c.Sentinels {
		switch {
		case !v.Answered:
			continue
		case v.Names != c.Self:
			return leave("named-other", "the sentinel on %s names %s as the master", v.Node, v.Names), true
		case fence.FailsOver(v):
			return leave("failover-under-way", "the sentinel on %s is failing over already", v.Node), true
		case strings.Contains(v.Flags, "down"), v.Silence+leastLeft > c.Monitor.DownAfter.Std():
			return leave("counted-down", "the sentinel on %s has had no answer of the master for %s and is about to act itself", v.Node, v.Silence), true
		case answered && v.Epoch != epoch:
			return c.wait("epochs-differ", "the sentinels name it under different epochs"), true
		}
		votes, epoch, answered = votes+1, v.Epoch, true
	}
	if need := fleet.Majority(len(c.Sentinels)); votes < need {
		return c.wait("no-majority", "%d of %d sentinels answer, and a majority is %d", votes, len(c.Sentinels), need), true
	}
	return Decision{}, false
}

// replicas finds the servers that are in sync: they were when the master was last
// seen, and have at least what it had then. Those that have less than another one
// are not among them: Sentinel chooses by offsets that it learnt up to 10 s ago.
func replicas(c Case) (synced []fleet.Addr, d Decision, over bool) {
	best := int64(-1)
	for _, s := range c.Servers {
		switch {
		case s.Answered && s.Role == fleet.RoleMaster:
			return nil, leave("other-master", "%s answers as a master", s.Addr), true
		case !inSync(c, s):
		case s.Offset > best:
			best, synced = s.Offset, []fleet.Addr{s.Addr}
		case s.Offset == best:
			synced = append(synced, s.Addr)
		}
	}
	if len(synced) == 0 {
		return nil, c.wait("no-synced-replica", "no replica answers that has what the master had when it was last seen"), true
	}
	return synced, Decision{}, false
}

func inSync(c Case, s fence.ServerView) bool {
	return s.Answered && s.Role == fleet.RoleReplica && !s.Loading && s.Master == c.Self &&
		s.ReplID == c.Last.ReplID && s.Offset >= c.Last.Offset && slices.Contains(c.Last.Replicas, s.Addr)
}

// able: the sentinel can do it: it reaches a majority itself, has not stalled, and
// whichever replica it takes has all that the others have.
func able(c Case, v fence.SentinelView, synced []fleet.Addr) bool {
	if !v.Answered || v.Tilt || v.Usable < fleet.Majority(len(c.Sentinels)) || len(v.Promotable) == 0 {
		return false
	}
	return !slices.ContainsFunc(v.Promotable, func(a fleet.Addr) bool { return !slices.Contains(synced, a) })
}

// preferOthers puts the sentinel of the master's own machine last: whatever ended
// the server may end that one too.
func preferOthers(c Case) []fence.SentinelView {
	views := slices.Clone(c.Sentinels)
	slices.SortStableFunc(views, func(a, b fence.SentinelView) int {
		switch {
		case (a.Node == c.Node) == (b.Node == c.Node):
			return 0
		case a.Node == c.Node:
			return 1
		}
		return -1
	})
	return views
}

// wait is Wait, and Leave once the time is over.
func (c Case) wait(rule, format string, args ...any) Decision {
	d := leave(rule, format, args...)
	if c.SinceEnd <= Patience(c.Monitor) {
		d.Verdict = Wait
	}
	return d
}

func leave(rule, format string, args ...any) Decision {
	return Decision{Verdict: Leave, Rule: rule, Reason: fmt.Sprintf(format, args...)}
}
