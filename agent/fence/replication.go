package fence

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// decideReplication: nobody fails over, so an instance returns as what it was,
// unless it would serve an empty dataset to replicas that hold the data.
func decideReplication(c Case) Decision {
	if c.Self.Follows != (fleet.Addr{}) {
		return follow(c, "as-it-was", c.Self.Follows, fmt.Sprintf("it was a replica of %s", c.Self.Follows))
	}
	if c.Self.NoRole && !followed(c) {
		return firstReplication(c) // its folder is gone, and it may have been a replica
	}
	for _, s := range c.Servers {
		if s.Answered && s.Role == fleet.RoleMaster {
			return hold("second-master", fmt.Sprintf(
				"it was the master, but %s answers as master too: make one of them a replica of the other", s.Addr))
		}
	}
	if d, lost := lostData(c); lost {
		return d
	}
	return start("as-it-was", fleet.Addr{}, "it was the master, and this topology has no failover")
}

// followed: another server answers as this instance's replica, so that it was
// the master.
func followed(c Case) bool {
	return slices.ContainsFunc(c.Servers, func(s ServerView) bool {
		return s.Answered && s.Role == fleet.RoleReplica && s.Master == c.Self.Addr
	})
}
