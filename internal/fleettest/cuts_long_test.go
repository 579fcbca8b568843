//go:build long

package fleettest

import (
	"testing"

	"github.com/redfleet/redfleet/internal/effect"
)

// TestCutsLong is the other half of TestCuts: the cut comes right before each effect.
func TestCutsLong(t *testing.T) {
	t.Parallel()
	cutEach(t, effect.Before)
}
