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
		return firstForming(c)
	}
	if d, held := foreign(c); held {
		return d
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
		// Sentinels learn of a replica from its master alone: one that begins to follow
		// a master which is being replaced would stay with it, unknown to all of them. A
		// sentinel, which asks here without an address, hears of the new one from its
		// peers, to which its agent introduces it, and its vote may be needed.
		if v, ok := switching(c.Sentinels); ok && c.Self.Addr != (fleet.Addr{}) {
			return hold("failover-under-way", fmt.Sprintf("it is new here, and the sentinel on %s is failing over", v.Node))
		}
		return decideFollow(c, named)
	}
	// The sentinels know this node, which has forgotten itself: a machine that
	// was made anew. What it held is unknown and so counts as data.
	c.Self.HadData = true
	return gaveUp(c, decideNamed(c, need))
}

// firstForming: the seed's role counts. Where data decided the election, the
// elected node must still have it (no-empty-master), and a node with data
// follows no empty one (data-wins).
func firstForming(c Case) Decision {
	elected := c.Seed.Master == c.Self.Addr
	reason := fmt.Sprintf("the elected initial master is %s", c.Seed.Master)
	switch {
	case elected && !c.Seed.Fresh && !c.Self.HasData:
		return hold("no-empty-master",
			"it was elected as the initial master of a group with data, and its own data is gone since: bring its data folder back")
	case elected:
		return firstElected(c)
	case c.Seed.Fresh:
		return start("seed", c.Seed.Master, reason)
	}
	return follow(c, "seed", c.Seed.Master, reason)
}

// firstElected: the seed makes it the master, unless the group's sentinels run
// already: they know the replicas from their first file, and may have counted this
// node out before it ever ran and be about to promote one (hazard S20). From their
// majority on it starts as any old master does.
func firstElected(c Case) Decision {
	need := len(c.Sentinels)/2 + 1
	switch named, votes, answered := majorityMaster(c.Sentinels); {
	case votes >= need && named != c.Self.Addr:
		return decideFollow(c, named)
	case votes >= need:
		return decideNamed(c, need)
	case answered >= need:
		// One has promoted a replica and the others are about to hear of it (simulation,
		// seed 8146).
		return hold("forming-disagree", fmt.Sprintf(
			"it was elected as the initial master, and the %d sentinels that answer name different masters: waiting until they agree", answered))
	}
	// It may be no first start: the node can have lost its disk while the group
	// forms, with writes of clients on its replicas already (no-empty-master).
	if d, lost := lostData(c); lost {
		return d
	}
	return start("seed", fleet.Addr{}, "elected as the initial master")
}

func firstReplication(c Case) Decision {
	var masters []fleet.Addr
	for _, s := range c.Servers {
		if s.Answered && s.Role == fleet.RoleMaster {
			masters = append(masters, s.Addr)
		}
	}
	if len(masters) == 1 {
		return follow(c, "follow", masters[0], fmt.Sprintf("%s answers as the only master", masters[0]))
	}
	return hold("no-master", fmt.Sprintf(
		"nothing here says what it was, and %d of the other servers answer as master; it can follow exactly one", len(masters)))
}
