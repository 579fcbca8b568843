package fence

import (
	"fmt"

	"github.com/redfleet/redfleet/internal/fleet"
)

// decideReplication: nobody fails over, so an instance returns as what it was,
// unless it would serve an empty dataset to replicas that hold the data.
func decideReplication(c Case) Decision {
	if c.Self.Follows != (fleet.Addr{}) {
		return start("as-it-was", c.Self.Follows, fmt.Sprintf("it was a replica of %s", c.Self.Follows))
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
