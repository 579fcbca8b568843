// Package evidence decides whether the agent beside a master whose process died
// asks a sentinel for a failover at once, instead of leaving it to the sentinels'
// own detection, which waits for down-after (docs/design.md, "Failover on evidence").
//
// SENTINEL FAILOVER needs no vote (hazard S18), and an old master that comes back
// meanwhile is a second one (S20). So the answer is no wherever anything is missing:
// Sentinel's own detection then does what it always did. The decision is pure.
package evidence

import (
	"cmp"
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

// infoPeriod is the age from which a sentinel asks a replica for its INFO anew while
// its own failover is under way: when it begins one, a step of its own (50 to 100 ms)
// before it chooses (sentinel.c, sentinelSendPeriodicCommands and
// sentinelFailoverStateMachine; script "a failover that chooses by new offsets").
const infoPeriod = time.Second

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
	// Claimed is the sentinel that the claim names: another one is not asked any more.
	Claimed string
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
// promote two replicas, or where the sentinel would choose by what a replica had
// before the crash.
func Decide(c Case) Decision {
	if d, over := standing(c); over {
		return d
	}
	if d, over := sentinels(c); over {
		return d
	}
	inSync, d, over := replicas(c)
	if over {
		return d
	}
	var unable []string
	for _, v := range preferOthers(c) {
		why := lacks(c, v, inSync)
		switch {
		case why != "":
			unable = append(unable, "the sentinel on "+v.Node+" "+why)
		case c.SinceEnd > Patience(c.Monitor):
			return leave("too-late", "the process ended %s ago", c.SinceEnd.Round(time.Millisecond))
		default:
			return Decision{Verdict: Ask, Sentinel: v.Node, Rule: "ask", Reason: fmt.Sprintf(
				"the master's process ended, a majority of the sentinels names it and counts nobody as down, and the sentinel on %s chooses a replica that has all that the others have", v.Node)}
		}
	}
	return c.wait("no-sentinel", "%s", strings.Join(unable, ", "))
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
// seen, and have at least what it had then.
func replicas(c Case) (synced []fence.ServerView, d Decision, over bool) {
	for _, s := range c.Servers {
		switch {
		case s.Answered && s.Role == fleet.RoleMaster:
			return nil, leave("other-master", "%s answers as a master", s.Addr), true
		case inSync(c, s):
			synced = append(synced, s)
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

// lacks says why the sentinel is not asked, and nothing where it can do it: it reaches
// a majority itself, has not stalled, and takes a replica that has all that the others
// have.
func lacks(c Case, v fence.SentinelView, synced []fence.ServerView) string {
	need := fleet.Majority(len(c.Sentinels))
	switch {
	case !v.Answered:
		return "does not answer"
	case v.Tilt:
		return "is in TILT"
	case v.Usable < need:
		return fmt.Sprintf("reaches %d of %d sentinels, and a majority is %d", v.Usable, len(c.Sentinels), need)
	case len(v.Promotable) == 0:
		return "can promote no replica"
	}
	var could []fence.ServerView
	for _, a := range v.Promotable {
		i := slices.IndexFunc(synced, func(s fence.ServerView) bool { return s.Addr == a })
		if i < 0 {
			return "could promote " + a.String() + ", " + unsynced(c, a)
		}
		could = append(could, synced[i])
	}
	return misled(v, could, synced)
}

// misled says how the sentinel could come to choose a replica that lacks what another
// one has, as where the master was killed between its writes to them. It goes by the
// priority first, then by the offset in the last INFO, which it asks for anew unless
// that one is fresh.
func misled(v fence.SentinelView, could, synced []fence.ServerView) string {
	most := func(list []fence.ServerView) fence.ServerView {
		return slices.MaxFunc(list, func(a, b fence.ServerView) int { return cmp.Compare(a.Offset, b.Offset) })
	}
	best := most(could)
	if all := most(synced); all.Offset > best.Offset {
		return fmt.Sprintf("cannot promote %s, which has more than those that it can", all.Addr)
	}
	for _, s := range could {
		first, known := v.Knows[s.Addr], v.Knows[best.Addr]
		switch {
		case s.Offset == best.Offset:
		case first.Priority < known.Priority:
			return fmt.Sprintf("prefers %s, which has less than %s, by its priority", s.Addr, best.Addr)
		case known.Offset < best.Offset && known.InfoAge <= infoPeriod:
			return fmt.Sprintf("has read too lately what %s has, which is more than %s has, to ask again before it chooses", best.Addr, s.Addr)
		}
	}
	return ""
}

// unsynced says why a replica is not among the synced.
func unsynced(c Case, a fleet.Addr) string {
	i := slices.IndexFunc(c.Servers, func(s fence.ServerView) bool { return s.Addr == a })
	switch {
	case i < 0:
		return "which is no member"
	case !c.Servers[i].Answered:
		return "which does not answer"
	case !slices.Contains(c.Last.Replicas, a):
		return "which was not in sync when the master was last seen"
	}
	return "which has less than the master had when that was last seen, or is not its replica any more"
}

// preferOthers puts the sentinel of the master's own machine last: whatever ended
// the server may end that one too. Once there is a claim the one that it names is left.
func preferOthers(c Case) []fence.SentinelView {
	views := slices.Clone(c.Sentinels)
	if c.Claimed != "" {
		return slices.DeleteFunc(views, func(v fence.SentinelView) bool { return v.Node != c.Claimed })
	}
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
