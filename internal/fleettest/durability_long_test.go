//go:build long

package fleettest

import "testing"

// TestAcknowledgedWritesSurviveLong kills the master twenty times.
func TestAcknowledgedWritesSurviveLong(t *testing.T) {
	t.Parallel()
	killMasters(t, 20)
}
