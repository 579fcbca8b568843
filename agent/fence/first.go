package fence

import (
	"fmt"

	"github.com/redfleet/redfleet/internal/fleet"
)

// First decides for an instance that never ran on this node: as its seed says
// while the group forms, and later as the sentinels or, without sentinels, the
// other servers say.
func First(c Case) Decision {
	if c.Seed != nil {
		if c.Seed.Master == c.Self.Addr {
			return start("seed", fleet.Addr{}, "elected as the initial master")
		}
		return start("seed", c.Seed.Master, fmt.Sprintf("the elected initial master is %s", c.Seed.Master))
	}
	if c.Topology == fleet.Replication {
		return firstReplication(c)
	}
	named, votes, answered := majorityMaster(c.Sentinels)
	need := len(c.Sentinels)/2 + 1
	if votes < need {
		return hold("no-majority", fmt.Sprintf(
			"it is new here, and only %d of %d sentinels agree on a master (%d answered)", votes, len(c.Sentinels), answered))
	}
	if named != c.Self.Addr {
		return decideFollow(c, named)
	}
	return decideNamed(c, need)
}

func firstReplication(c Case) Decision {
	var masters []fleet.Addr
	for _, s := range c.Servers {
		if s.Answered && s.Role == fleet.RoleMaster {
			masters = append(masters, s.Addr)
		}
	}
	if len(masters) == 1 {
		return start("follow", masters[0], fmt.Sprintf("%s answers as the only master", masters[0]))
	}
	return hold("no-master", fmt.Sprintf(
		"it is new here and %d of the other servers answer as master; it can follow exactly one", len(masters)))
}
