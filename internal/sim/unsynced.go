package sim

import (
	"slices"
	"time"
)

// unsynced is how old a write can be that a power loss takes: appendfsync everysec
// syncs once a second, and up to a second late.
const unsynced = 2 * time.Second

// stuck is when a node's disk took nothing; until is 0 while that lasts.
type stuck struct{ since, until time.Duration }

// syncsNothing: a node's disk is read-only from now on, or its server stands still and
// syncs nothing (seed 2621); or that is over.
func (c *clients) syncsNothing(node string, yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, now := c.stuck[node], c.w.now()
	switch {
	case !yes:
		s.until = now
	case s.since == 0 || s.until != 0:
		s = stuck{since: now}
	}
	c.stuck[node] = s
}

// lostPower: a node does not hold any more what its disk had not synced. Where no
// server of the group has power any longer, the group goes on with what the last
// master's disk has, or that of whoever is promoted in its place, as
// docs/guarantees.md says: what one of the disks lost so may be lost then, also where
// another one has it (seeds 1184 and 1207). While a server lives it may not.
func (c *clients) lostPower(n *node) {
	within := unsynced
	c.mu.Lock()
	if s := c.stuck[n.name]; s.since > 0 && (s.until == 0 || c.w.now()-s.until < unsynced) {
		within += c.w.now() - s.since
	}
	for _, k := range c.safe {
		k.torn = k.torn || c.w.now()-k.at <= within
	}
	c.mu.Unlock()
	c.lost(n.name, within)
	if slices.ContainsFunc(c.w.members(), func(m *node) bool { return !c.w.isOff(m.host) }) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, k := range c.safe {
		if k.torn {
			delete(c.safe, key)
		}
	}
}
