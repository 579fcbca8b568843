package fleet

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// The ranges of the times in [group.sentinel]. A sentinel looks at its masters
// every 50 to 100 ms (sentinelTimer, at hz 10 to 20) and pings them once per
// down-after where that is under a second: below 100 ms an answer cannot be
// counted before it is late.
const (
	minDownAfter       = Duration(100 * time.Millisecond)
	hastyDownAfter     = Duration(time.Second)
	maxDownAfter       = Duration(time.Hour)
	minFailoverTimeout = Duration(time.Second)
	maxFailoverTimeout = Duration(time.Hour)
)

// masterNamePattern: "The valid charset is A-z 0-9 and the three characters
// '.-_'" (sentinel.conf of Redis 7.0).
var masterNamePattern = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func (v *validator) sentinel(path string, g GroupSpec) {
	switch g.Topology {
	case Replication:
		if !g.Sentinel.isZero() {
			v.errorf(path, "topology %q has no sentinels and no automatic failover; take [group.sentinel] out, "+
				"or set topology = %q", Replication, Sentinel)
		}
		return
	case Sentinel:
	default: // unknown, and said so
		return
	}
	s := g.Sentinel
	if len(g.Nodes) > 0 || len(s.Nodes) > 0 { // else the group's own error says it
		v.sentinelNodes(path+".nodes", g)
		v.quorum(path+".quorum", s.Quorum, len(s.Nodes))
	}
	v.port(path+".port", s.Port)
	if !masterNamePattern.MatchString(s.MasterName) && s.MasterName != g.Name {
		v.errorf(path+".master_name", "%q cannot name a master; Sentinel takes letters, digits and the characters . - _",
			s.MasterName)
	}
	v.downAfter(path+".down_after", s.DownAfter)
	v.failoverTimeout(path+".failover_timeout", s.FailoverTimeout)
	if s.ParallelSyncs < 1 {
		v.errorf(path+".parallel_syncs", "%d is too few: after a failover at least one replica at a time has to follow "+
			"the new master; use 1 or more", s.ParallelSyncs)
	}
	v.oneOf(path+".announce", "announce", s.Announce, []string{AnnounceAddress, AnnounceHostname})
	if s.Open {
		v.warnf(path+".open", "the sentinels ask for no password: whoever reaches port %d can tell them to fail over or to watch another server; "+
			"it is meant for groups that were adopted, whose clients show sentinels none", s.Port)
	}
}

func (v *validator) onCrash(path string, g GroupSpec) {
	switch {
	case g.Topology == Replication && g.OnCrash != "":
		v.errorf(path, "topology %q has no automatic failover, and a master that crashed starts again as what it was; "+
			"take the line out, or set topology = %q", Replication, Sentinel)
	case g.Topology != Sentinel:
	case g.OnCrash == OnCrashRestart && g.Sentinel.DownAfter < LeastRestart:
		v.warnf(path, "with down_after = %q a master that crashed is hardly ever back in time, and Sentinel fails over; "+
			"use down_after = %q or more, or on_crash = %q", g.Sentinel.DownAfter, LeastRestart, OnCrashFailover)
	default:
		v.oneOf(path, "on_crash", g.OnCrash, []string{OnCrashFailover, OnCrashRestart})
	}
}

// sentinelNodes warns of numbers that cannot survive what they should (S17).
func (v *validator) sentinelNodes(path string, g GroupSpec) {
	if len(g.Sentinel.Nodes) > 0 && !slices.Equal(g.Sentinel.Nodes, sentinelNodes(g.Nodes)) {
		v.nodes(path, "the sentinel part", g.Sentinel.Nodes) // else judged with the group's
	}
	if len(g.Nodes) == 1 {
		v.warnf(path, "the group has one node, so there is no replica and nothing can fail over")
	}
	n := len(g.Sentinel.Nodes)
	switch {
	case n == 0:
		v.errorf(path, "the list is empty and topology %q needs sentinels; take the line out for the group's nodes, or set "+
			"topology = %q", Sentinel, Replication)
	case n < 3:
		v.warnf(path, "with %s the loss of one leaves no majority, and then nothing fails over; use 3, 5 or 7",
			count(n, "sentinel"))
	case n%2 == 0:
		v.warnf(path, "%s survive no more losses than %d would, since a majority of them is %d; use 3, 5 or 7",
			count(n, "sentinel"), n-1, Majority(n))
	case n > 7:
		v.warnf(path, "%s are more than a failover needs; each one has to reach every other; use 3, 5 or 7",
			count(n, "sentinel"))
	}
}

func (v *validator) quorum(path string, quorum, sentinels int) {
	majority := Majority(sentinels)
	switch {
	case sentinels == 0: // said so already
	case quorum < 1:
		v.errorf(path, "%d is too few: at least one sentinel has to find the master down; leave quorum out for the majority, %d",
			quorum, majority)
	case quorum > sentinels:
		v.errorf(path, "%d is more than the %s of the group, so the master could never be found down; "+
			"leave quorum out for the majority, %d", quorum, count(sentinels, "sentinel"), majority)
	case quorum < majority:
		v.warnf(path, "%d is below the majority of %s, %d: fewer sentinels than that can start a failover over a fault "+
			"that only they see (it still has to be authorised by %d)", quorum, count(sentinels, "sentinel"), majority, majority)
	case quorum > majority:
		v.warnf(path, "%d is above the majority of %s, %d: with %d of them lost no failover happens any more",
			quorum, count(sentinels, "sentinel"), majority, sentinels-quorum+1)
	}
}

func (v *validator) downAfter(path string, d Duration) {
	switch {
	case d < minDownAfter:
		v.errorf(path, "%s is too short: a sentinel looks at its master every 100 ms, so it would call a healthy one down; "+
			"use %s or more (5s is usual)", d, minDownAfter)
	case d > maxDownAfter:
		v.errorf(path, "%s is too long: nothing fails over before it has passed; use %s or less", d, maxDownAfter)
	case fractional(d):
		v.errorf(path, "%s is finer than Sentinel counts; use whole milliseconds", d)
	case d < hastyDownAfter:
		v.warnf(path, "%s: a pause of the master's machine that long, as a slow disk or a snapshot of the VM makes, starts a failover", d)
	}
}

func (v *validator) failoverTimeout(path string, d Duration) {
	switch {
	case d < minFailoverTimeout:
		v.errorf(path, "%s is too short to elect a sentinel and to promote a replica; use %s or more (60s is usual)",
			d, minFailoverTimeout)
	case d > maxFailoverTimeout:
		v.errorf(path, "%s is too long: a failover that got stuck is tried again only after twice that time; use %s or less",
			d, maxFailoverTimeout)
	case fractional(d):
		v.errorf(path, "%s is finer than Sentinel counts; use whole milliseconds", d)
	}
}

// fractional: sentinel.conf has nothing finer than a millisecond.
func fractional(d Duration) bool { return d%Duration(time.Millisecond) != 0 }

func (s SentinelSpec) isZero() bool {
	return len(s.Nodes) == 0 && s.Port == 0 && s.MasterName == "" && s.Quorum == 0 && s.DownAfter == 0 &&
		s.FailoverTimeout == 0 && s.ParallelSyncs == 0 && s.Announce == "" && !s.Open
}

// count writes "1 sentinel", "2 sentinels".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
