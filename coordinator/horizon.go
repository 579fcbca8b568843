package coordinator

import "github.com/redfleet/redfleet/internal/fleet"

// horizon is what this process saw of the committed epochs. Where they fall, Consul was
// restored from an older snapshot. That takes the lease as well, and the next term has to
// know of it, so a horizon is kept from term to term; it is the loop's own.
type horizon struct {
	fleetID string
	// highest is the highest epoch that was committed, last that of the last look.
	highest, last uint64
	// restored is Consul's index when it was seen to be restored; 0 where it was not.
	restored uint64
}

// look takes the control record as it is now, with Consul's index; nil where Consul has
// none, which package plan stops at. It tells whether Consul was restored since the last
// look. A fleet with another identity begins anew; a Consul whose index is lower than when
// it was restored is another one, and what is there now was written since.
func (h *horizon) look(c *fleet.Control, index uint64) (restored bool) {
	h.restored = min(h.restored, index)
	switch {
	case c == nil:
		return false
	case c.FleetID != h.fleetID:
		*h = horizon{fleetID: c.FleetID}
	case c.Committed < h.last:
		h.restored, restored = index, true
	}
	h.highest, h.last = max(h.highest, c.Committed), c.Committed
	return restored
}

// plans notes an epoch that is about to be committed: its answer may be lost.
func (h *horizon) plans(epoch uint64) { h.highest = max(h.highest, epoch) }

// above gives the world to plan by. Agents may follow goals of the epochs that Consul
// does not know any more, which they have not reported here since, and one epoch must
// never stand for two goals (promise resumable; simulation, seed 9805).
func (h *horizon) above(w fleet.World) fleet.World {
	if w.Control != nil {
		w.Highest = h.highest
	}
	return w
}
