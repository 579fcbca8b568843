package fleettest

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

var nets Nets

func TestBringUpSentinel(t *testing.T) {
	_, addr := StandIn(t)
	f := New(t, &nets, addr)
	began := time.Now()
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, nil)})
	f.StartCoordinator(1, nil)
	for i := range 3 {
		f.StartAgent(i+1, nil)
	}
	a := f.WaitServing(20 * time.Second)
	t.Logf("serving after %s: master %s", time.Since(began), a.Master.Node)
}
