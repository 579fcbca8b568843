package systemd

import (
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestStopping: a process that is there while systemd stops its unit is told as
// one that was told to end (hazard D2).
func TestStopping(t *testing.T) {
	t.Parallel()
	for active, want := range map[string]bool{"active": false, "deactivating": true} {
		if got := (state{active: active, pid: 1}).status(); got.State != fleet.UnitActive || got.Stopping != want {
			t.Errorf("%s: %+v", active, got)
		}
	}
	if got := (state{active: "deactivating"}).status(); got.Stopping {
		t.Errorf("a process that has ended is still being stopped: %+v", got)
	}
}
