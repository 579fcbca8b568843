package fence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// RuleQuickRestart is the rule by which a master that crashed starts again as the
// master although a replica could be promoted. Whoever carries it out notes that.
const RuleQuickRestart = "quick-restart"

const (
	// askMargin is how long an agent has, at most, from giving the role up to its
	// request, with as much again for a machine that is busy.
	askMargin = 3 * time.Second
	// quickMargin is kept from down-after for a master that starts again: the
	// server has to listen and each sentinel to connect to it again, which it tries
	// once a second.
	quickMargin = 2500 * time.Millisecond
	// loadRate is a careful guess, in bytes a second, of how fast data files load.
	// Sentinel counts a master as down that is still loading after
	// master-reboot-down-after-period, which is down-after (hazard S8).
	loadRate = 20 << 20
)

// gaveUp keeps an instance whose agent gave the master's role up from starting as
// the master, until no failover can come from that agent's request any more (S20).
// As a replica it may start at any time.
func gaveUp(c Case, d Decision) Decision {
	if !c.Self.GaveUp || !d.Start || d.Follow != (fleet.Addr{}) {
		return d
	}
	wait, why := askMargin, "its agent is about to ask for a failover"
	if c.Self.Asked != "" {
		wait = c.DownAfter + settleMargin
		why = fmt.Sprintf("its agent asked the sentinel on %s for a failover", c.Self.Asked)
		if !answers(c.Sentinels, c.Self.Asked) {
			// It may have stalled with the request unread. When it goes on it waits
			// 30 s (TILT) and hears meanwhile who is master; if nobody else is by then,
			// its own failover has this long.
			wait += c.FailoverTimeout
			why += ", which does not answer now"
		}
	}
	if c.DownFor >= wait {
		return d
	}
	return hold("gave-way", fmt.Sprintf("%s: it starts only as a replica of a new master, or %s after its end when there is none", why, wait))
}

func answers(views []SentinelView, node string) bool {
	return slices.ContainsFunc(views, func(v SentinelView) bool { return v.Node == node && v.Answered })
}

// quickRestart lets a master that crashed start again where that is safe: no
// sentinel can begin a failover before it answers again. All that answer must be
// far from counting it as down, they must be a majority, and the quorum no smaller,
// so that those that do not answer can begin none either. It has its data, which is
// little enough to be loaded in time, and it gets one such try. A machine that was booted
// since may have lost what a replica has (promise data-wins).
func quickRestart(c Case, need int) (Decision, bool) {
	switch {
	case !c.Restart, c.Self.Retried, c.Self.Rebooted, c.Self.GaveUp, c.Quorum < need:
		return Decision{}, false
	case c.Self.HadData && !c.Self.HasData:
		return Decision{}, false
	case time.Duration(c.Self.DataBytes/loadRate)*time.Second > c.DownAfter/2:
		return Decision{}, false
	case slices.ContainsFunc(c.Servers, func(s ServerView) bool { return s.Answered && s.Role == fleet.RoleMaster }):
		return Decision{}, false
	}
	calm := 0
	for _, v := range c.Sentinels {
		switch {
		case !v.Answered:
		case v.Names != c.Self.Addr, strings.Contains(v.Flags, "down"), v.Silence+quickMargin > c.DownAfter:
			return Decision{}, false
		default:
			calm++
		}
	}
	if calm < need {
		return Decision{}, false
	}
	return start(RuleQuickRestart, fleet.Addr{},
		"it crashed as the master, has its data, and is back before a sentinel can count it as down (on_crash = restart)"), true
}
