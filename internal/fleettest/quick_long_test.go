//go:build long

package fleettest

import (
	"fmt"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestQuickRestartLong: with on_crash = "restart" a master whose process is killed is the
// master again before a sentinel counts it as down; nobody is asked, and nothing is lost.
func TestQuickRestartLong(t *testing.T) {
	t.Parallel()
	const downAfter = 8 * time.Second
	s := newCrash(t, nil, func(g *fleet.GroupSpec) {
		evident(g)
		g.Sentinel.DownAfter, g.OnCrash = fleet.Duration(downAfter), fleet.OnCrashRestart
	})
	for i := 1; i <= 3; i++ { // young ones let it start in any case
		eventually(t, failoverIn, fmt.Sprintf("the sentinel on n%d has run for down-after", i), func() bool {
			v, err := s.Sentinel(i).Observe(t.Context(), "main", false)
			return err == nil && v.Uptime > downAfter
		})
	}
	kill(t, s.Fleet, s.old, fleet.KindRedis)
	s.says("is back before a sentinel can count it as down (on_crash = restart)")
	s.notAsked()
	if master := s.whole(); master != s.old {
		t.Errorf("n%d is the master, and n%d was", master, s.old)
	}
}
