package coordinator

import (
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestHorizon: a restored Consul shows by its committed epoch, which is planned above, and
// another fleet's epochs are its own.
func TestHorizon(t *testing.T) {
	var h horizon
	for i, tc := range []struct {
		fleet          string
		epoch, index   uint64
		fell           bool
		restored, plan uint64
	}{
		{"f", 1, 7, false, 0, 1},
		{"f", 3, 9, false, 0, 3},
		{"f", 3, 12, false, 0, 3},
		{"f", 2, 20, true, 20, 3}, // restored
		{"f", 2, 25, false, 20, 3},
		{"f", 4, 30, false, 20, 4}, // planned above it
		{"f", 1, 22, true, 22, 4},
		{"f", 2, 40, false, 22, 4},
		{"", 0, 50, false, 22, 0}, // emptied
		{"f", 4, 9, false, 9, 4},  // rebuilt in another Consul
		{"f", 4, 30, false, 9, 4},
		{"other", 1, 60, false, 0, 1},
	} {
		if i == 3 {
			h.plans(2) // one that is lower than what was committed
		}
		var c *fleet.Control
		if tc.fleet != "" {
			c = &fleet.Control{FleetID: tc.fleet, Committed: tc.epoch}
		}
		if fell := h.look(c, tc.index); fell != tc.fell || h.restored != tc.restored {
			t.Errorf("look %d: restored %v at %d, want %v at %d", i, fell, h.restored, tc.fell, tc.restored)
		}
		if w := h.above(fleet.World{Control: c}); w.Highest != tc.plan {
			t.Errorf("look %d: plans above %d, want %d", i, w.Highest, tc.plan)
		}
	}
	h.plans(7)
	if w := h.above(fleet.World{Control: &fleet.Control{FleetID: "other", Committed: 1}}); w.Highest != 7 {
		t.Errorf("plans above %d after a commit whose answer was lost, want 7", w.Highest)
	}
}
