package fence

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// untilRestarted adds to the reason for which a promoted server is held, since another one
// has its data, what ends that where nothing else does: the sentinel that promoted it waits
// for it (SentinelView.Awaits), and this server for another to be promoted, which the other
// sentinels do where they are a majority without that one, and know a replica (simulation,
// seed 5527). One that was started anew leads nothing, and votes for the next failover.
// redfleet does not restart it by itself (promise fail-static).
func untilRestarted(c Case, d Decision) Decision {
	data := slices.ContainsFunc(c.Servers, func(s ServerView) bool {
		return s.Answered && s.Role == fleet.RoleReplica && (s.Keys > 0 || s.Loading)
	})
	i := slices.IndexFunc(c.Sentinels, func(v SentinelView) bool { return v.Answered && v.Awaits })
	if !data || i < 0 {
		return d
	}
	d.Reason += fmt.Sprintf("; the sentinel on %s promoted this one and waits for it: where no other one promotes a replica within failover_timeout, restart the sentinel on %[1]s",
		c.Sentinels[i].Node)
	return d
}

// outvoted: among the sentinels that one reaches, so many wait for this very server that
// the others are no majority. One that waits for it does not know this server as a master
// yet, by whose address it is asked for its vote, and gives none (sentinel.c,
// sentinelCommand, IS-MASTER-DOWN-BY-ADDR); nobody is elected until this server answers
// (simulation, seed 9141: the third sentinel had lost its disk).
func outvoted(views []SentinelView, v SentinelView, need int) bool {
	votes, waits := v.Usable, false
	for _, other := range views {
		if !other.Answered || other.Node == v.Node {
			continue
		}
		reached := slices.Contains(v.Reaches, other.Node)
		if other.Awaits && reached {
			votes, waits = votes-1, true
		}
		if !other.Awaits && !reached {
			votes++ // it may reach that one in a moment
		}
	}
	return waits && votes < need
}
