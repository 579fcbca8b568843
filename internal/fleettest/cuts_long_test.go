//go:build long

package fleettest

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/effect"
)

// cutLongTTL is longer than cutTTL by what a renewal may take beside the fleets of the
// other long tests. A lease whose renewals come too late is lost, and after each loss
// its lock-delay of 1 s runs: with a session that is hardly longer nobody leads for
// long enough to see a group's state change, which is the only time that this is told.
const cutLongTTL = 3 * time.Second

// TestCutsLong is the other half of TestCuts: the cut comes right before each effect.
func TestCutsLong(t *testing.T) {
	t.Parallel()
	cutEach(t, effect.Before, cutLongTTL)
}
