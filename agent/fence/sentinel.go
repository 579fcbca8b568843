package fence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// youngMargin is kept from down-after when a sentinel's youth is the evidence:
// it covers the time between the sentinel's answer and the server's first PONG.
const youngMargin = 2 * time.Second

// settleMargin is added to down-after where no sentinel sees a replica that it
// could promote, but one answers: sentinels look again within a second or two.
const settleMargin = 3 * time.Second

func decideSentinel(c Case) Decision {
	named, votes, answered := majorityMaster(c.Sentinels)
	need := len(c.Sentinels)/2 + 1
	switch {
	case votes < need && c.Seed != nil:
		return decideForming(c, answered)
	case votes < need && c.Self.Follows != (fleet.Addr{}):
		// A replica harms nobody: whoever is master, sentinels point it there.
		return follow(c, "as-it-was", c.Self.Follows, fmt.Sprintf(
			"it was a replica of %s; %d of %d sentinels could be asked", c.Self.Follows, answered, len(c.Sentinels)))
	case votes < need:
		return hold("no-majority", fmt.Sprintf(
			"it was the master, and only %d of %d sentinels agree on one (%d answered); a master starts on the word of %d: bring sentinels back",
			votes, len(c.Sentinels), answered, need))
	case named != c.Self.Addr:
		return decideFollow(c, named)
	default:
		return decideNamed(c, need)
	}
}

// majorityMaster finds the address that most sentinels name.
func majorityMaster(views []SentinelView) (named fleet.Addr, votes, answered int) {
	count := map[fleet.Addr]int{}
	for _, v := range views {
		if !v.Answered || v.Names == (fleet.Addr{}) {
			continue
		}
		answered++
		count[v.Names]++
		if count[v.Names] > votes {
			named, votes = v.Names, count[v.Names]
		}
	}
	return named, votes, answered
}

// decideForming: no client uses the group yet, and its sentinels may not have
// started; the role on disk counts unless a sentinel that runs names another.
func decideForming(c Case, answered int) Decision {
	for _, v := range c.Sentinels {
		if v.Answered && v.Names != (fleet.Addr{}) && v.Names != c.Seed.Master {
			return hold("forming-disagree", fmt.Sprintf(
				"the group forms with %s as its master, but the sentinel on %s names %s", c.Seed.Master, v.Node, v.Names))
		}
	}
	reason := fmt.Sprintf("the group forms with %s as its master; %d sentinels answered", c.Seed.Master, answered)
	elected := c.Seed.Master == c.Self.Addr
	switch {
	case elected && c.Self.Follows != (fleet.Addr{}):
		// A failover came while it formed. A replica harms nobody.
		return follow(c, "as-it-was", c.Self.Follows, fmt.Sprintf("it was made a replica of %s while the group formed", c.Self.Follows))
	case !elected && c.Self.Follows == (fleet.Addr{}) && !c.Self.NoRole:
		return hold("forming-disagree", fmt.Sprintf(
			"the group forms with %s as its master, but this node was made master since: waiting for a majority of the sentinels", c.Seed.Master))
	case !elected && c.Seed.Fresh:
		return start("forming", c.Seed.Master, reason)
	case !elected:
		return follow(c, "forming", c.Seed.Master, reason)
	}
	if d, lost := lostData(c); lost {
		return d
	}
	if c.Self.Ran {
		// The group may serve by now, under another master, and this node not know:
		// its agent ended before the news came.
		return hold("no-majority", fmt.Sprintf(
			"it ran as the master while the group formed, and %d of %d sentinels answered since; it starts again on the word of a majority", answered, len(c.Sentinels)))
	}
	return start("forming", fleet.Addr{}, reason)
}

// decideFollow: the majority names another master.
func decideFollow(c Case, named fleet.Addr) Decision {
	if v, ok := newer(c.Sentinels, named); ok && v.Names == c.Self.Addr {
		return hold("newer-epoch", fmt.Sprintf(
			"most sentinels name %s, but the one on %s names this node under the newer epoch %d: waiting until they agree", named, v.Node, v.Epoch))
	}
	return follow(c, "follow", named, fmt.Sprintf("a majority of the sentinels names %s", named))
}

// decideNamed: the majority still names this instance, which is down.
func decideNamed(c Case, need int) Decision {
	if v, ok := switching(c.Sentinels); ok {
		return hold("failover-under-way", fmt.Sprintf("the sentinel on %s is failing over", v.Node))
	}
	if v, ok := newer(c.Sentinels, c.Self.Addr); ok {
		return hold("newer-epoch", fmt.Sprintf(
			"most sentinels name this node, but the one on %s names %s under the newer epoch %d: waiting until they agree", v.Node, v.Names, v.Epoch))
	}
	if d, lost := lostData(c); lost {
		return untilRestarted(c, d)
	}
	if d, newer := newerElsewhere(c); newer {
		return untilRestarted(c, d)
	}
	if other, ok := Succeeded(c); ok {
		return hold("await-failover", fmt.Sprintf(
			"it was the master; %s answers as a master that was promoted out of its history, and no sentinel says so yet: waiting until they do", other))
	}
	if young(c.Sentinels, c.DownAfter) >= need && !survived(c) {
		return start("young-sentinels", fleet.Addr{},
			"a majority of the sentinels names this node and has run for less than down-after, so none can have counted it out")
	}
	if d, ok := quickRestart(c, need); ok {
		return d
	}
	if node, replica, ok := promotable(c.Sentinels, need); ok {
		return hold("await-failover", fmt.Sprintf(
			"it was the master; the sentinel on %s can promote %s: waiting for the failover, then it returns as a replica", node, replica))
	}
	if other, ok := replicaAnswers(c); ok && c.DownFor < c.DownAfter+settleMargin {
		return hold("await-verdict", fmt.Sprintf(
			"it was the master; no sentinel can promote a replica now, but %s answers: waiting %s to be sure", other, c.DownAfter+settleMargin))
	}
	if other, ok := replicaAnswers(c); ok && awake(c.Sentinels) < need {
		return hold("await-tilt", fmt.Sprintf(
			"it was the master; %s answers, and only %d of %d sentinels are not in TILT: one that is judges nobody for up to 30 s, so that it promotes nobody now proves nothing",
			other, awake(c.Sentinels), len(c.Sentinels)))
	}
	return start("no-replica", fleet.Addr{}, "a majority of the sentinels names this node, and no replica could be promoted")
}

// lostData holds an instance that is empty while others may hold its data
// (promise no-empty-master, hazard D1). A replica that came back with the probe of when
// the group formed, and nothing else, holds none of it: its own agent says that it has no
// data, so that nobody would promote it either (simulation, seed 5102).
func lostData(c Case) (Decision, bool) {
	if c.Self.HasData {
		return Decision{}, false
	}
	for _, s := range c.Servers {
		switch {
		case s.Answered && s.Keys > 0 && !s.OnlyProbe:
			return hold("no-empty-master", fmt.Sprintf(
				"its data is gone while %s still holds %d keys: waiting until another is master", s.Addr, s.Keys)), true
		case s.Answered && s.Loading:
			return hold("no-empty-master", fmt.Sprintf(
				"its data is gone while %s is loading what it holds: waiting until that is known", s.Addr)), true
		}
	}
	// Without an append-only file the folder never held what the memory did, and
	// the last look at it may be older than the first write.
	if c.Self.HadData || c.Self.Volatile && c.Self.Ran {
		for _, s := range c.Servers {
			if !s.Answered {
				return hold("no-empty-master", fmt.Sprintf(
					"its data is gone and %s, which may still hold it, does not answer: bring it back", s.Addr)), true
			}
		}
	}
	return Decision{}, false
}

// newer finds a sentinel that names another master under a higher configuration
// epoch than all that name this one. Among sentinels the higher epoch counts,
// not the number: one that saw a failover right before a power loss is believed
// by the others as soon as its hello reaches them.
func newer(views []SentinelView, named fleet.Addr) (SentinelView, bool) {
	var best SentinelView
	var epoch uint64
	for _, v := range views {
		switch {
		case !v.Answered || v.Names == (fleet.Addr{}):
		case v.Names == named:
			epoch = max(epoch, v.Epoch)
		case v.Epoch > best.Epoch:
			best = v
		}
	}
	return best, best.Answered && best.Epoch > epoch
}

// switching finds a sentinel that leads a failover. One that has promoted this very
// server and waits for it to answer promotes no other, and would wait for ever
// (simulation, seed 1179). In TILT it judges nobody: what it says is old.
func switching(views []SentinelView) (SentinelView, bool) {
	for _, v := range views {
		if v.Answered && FailsOver(v) && (!v.Awaits || v.Tilt) {
			return v, true
		}
	}
	return SentinelView{}, false
}

// awake counts the sentinels that answered and are not in TILT (hazard S16).
func awake(views []SentinelView) int {
	n := 0
	for _, v := range views {
		if v.Answered && !v.Tilt {
			n++
		}
	}
	return n
}

// FailsOver: the sentinel leads a failover right now.
func FailsOver(v SentinelView) bool { return strings.Contains(v.Flags, "failover_in_progress") }

// young counts the sentinels that answered and cannot have seen this master
// down for down-after, since they have not run for so long. An uptime is told by
// the clock, so that of a sentinel in TILT, whose clock may have jumped, is none.
func young(views []SentinelView, downAfter time.Duration) int {
	n := 0
	for _, v := range views {
		if v.Answered && !v.Tilt && v.Uptime >= 0 && v.Uptime+youngMargin < downAfter && !strings.Contains(v.Flags, "down") {
			n++
		}
	}
	return n
}

// Succeeded: another server was promoted while this one was down, and takes writes. The
// sentinel that led that failover has not told the others; where it ended or stalls
// (hazard S16), they name this node until it is back or lead a failover of their own,
// which finds the same server. A master of another history is none of that (S14): it is
// for the sentinels to make it a replica of this one.
func Succeeded(c Case) (fleet.Addr, bool) {
	for _, s := range c.Servers {
		if s.Answered && s.Role == fleet.RoleMaster && c.Self.ReplID != "" && s.ReplID2 == c.Self.ReplID {
			return s.Addr, true
		}
	}
	return fleet.Addr{}, false
}

// heardMargin is what the uptime of a sentinel, which counts whole seconds, can be ahead
// of the silence of a master that it never heard, with half a second for its start.
const heardMargin = 1500 * time.Millisecond

// survived: a sentinel heard this master and has run ever since, and a replica answers
// with data. So not all lost their power with this machine, and that replica may have
// what this one's disk had not synced: it rather waits for the failover than that it
// takes the last second from a server that has it (promise data-wins). Whether the
// sentinel can promote a replica does not count: it cannot for a second, each time it
// has counted the master out, until it has asked the replicas anew.
func survived(c Case) bool {
	return livedOn(c) && slices.ContainsFunc(c.Servers, func(s ServerView) bool {
		return s.Answered && s.Role == fleet.RoleReplica && (s.Keys > 0 || s.Loading)
	})
}

// livedOn finds a sentinel that heard this master and has run ever since. A young one
// counts only where this machine was booted since: else the master's process alone has
// ended, its disk has all, and it need not wait.
func livedOn(c Case) bool {
	return slices.ContainsFunc(c.Sentinels, func(v SentinelView) bool {
		old := v.Uptime+youngMargin >= c.DownAfter
		return v.Answered && (old && heard(v) || v.Heard && c.Self.Rebooted)
	})
}

// heard: the master has answered this sentinel; or the sentinel has run for longer than
// it has named this master, which ended before it could answer.
func heard(v SentinelView) bool { return v.Heard || v.Uptime > v.Silence+heardMargin }

// replicaAnswers: a server that answers may be promotable in a moment, when a
// sentinel has reached it again.
func replicaAnswers(c Case) (fleet.Addr, bool) {
	for _, s := range c.Servers {
		if s.Answered && s.Role == fleet.RoleReplica {
			return s.Addr, true
		}
	}
	return fleet.Addr{}, false
}

// promotable finds a sentinel that could promote a replica now: not one whose failover
// has promoted this server and waits for it, nor one that only such votes could elect.
func promotable(views []SentinelView, need int) (node string, replica fleet.Addr, ok bool) {
	for _, v := range views {
		if v.Answered && !v.Awaits && len(v.Promotable) > 0 && !outvoted(views, v, need) {
			return v.Node, v.Promotable[0], true
		}
	}
	return "", fleet.Addr{}, false
}
