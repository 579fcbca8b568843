package fleettest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
)

const (
	// cutsAtOnce bounds the fleets that run side by side: most of each one's
	// time is waiting, so it is more than the machine has cores.
	cutsAtOnce = 4
	// cutTTL is the coordinators' lease: short, since a third of these tests wait
	// for it to end, and long enough to be renewed on a machine under load, within a
	// quarter of it. A lease whose renewals come too late is lost, which takes the
	// answer from a write that is on its way: a decision that stands is not made
	// again, and so nobody is cut after it. After each loss the lock-delay of 1 s runs:
	// with a session that is hardly longer nobody leads for long enough to see a
	// group's state change, which is the only time that this is told.
	cutTTL = 3 * time.Second
	// cutDownAfter is longer than it takes to start a daemon again, so that no
	// sentinel has cause to fail over while the group forms.
	cutDownAfter = 5 * time.Second
)

// TestCuts ends an agent or a coordinator, as by kill -9, right after each
// labelled effect of a bring-up, when it is done and nobody knows, starts it again,
// and wants the very result of a bring-up without a cut (promises resumable and
// one-election). What is cut right before an effect is close to what is cut after
// the one before it: TestCutsLong has that half.
func TestCuts(t *testing.T) {
	t.Parallel()
	cutEach(t, effect.After)
}

// cutEach cuts every label once, at this point.
func cutEach(t *testing.T, at effect.Point) {
	var done cutLog
	var workers errgroup.Group
	workers.SetLimit(cutsAtOnce)
	for _, s := range scenes(t) {
		for _, label := range s.labels {
			workers.Go(func() error {
				t.Run(fmt.Sprintf("%s/%s %s", s.name, at, label), func(t *testing.T) {
					runCut(t, s, label, at)
					done.add(label)
				})
				return nil
			})
		}
	}
	if err := workers.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Run("every label", func(t *testing.T) { done.check(t) })
}

// cutLog counts the cuts that were made.
type cutLog struct {
	mu   sync.Mutex
	seen map[effect.Label]int
}

func (c *cutLog) add(l effect.Label) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[effect.Label]int{}
	}
	c.seen[l]++
}

// check wants every label of the agent and the coordinator cut.
func (c *cutLog) check(t *testing.T) {
	t.Helper()
	cuts := 0
	for _, l := range allLabels() {
		if c.seen[l] == 0 {
			t.Errorf("%q was never cut", l)
		}
		cuts += c.seen[l]
	}
	t.Logf("cut %d labels: %d cuts", len(c.seen), cuts)
}

// runCut is one bring-up with one cut in it.
func runCut(t *testing.T, s scene, label effect.Label, at effect.Point) {
	_, addr := StandIn(t)
	f := New(t, &nets, addr)
	f.LeaseTTL = cutTTL
	if s.prepare != nil {
		s.prepare(t, f)
	}
	h := watchHistory(t, f)
	spec := f.Spec(cutNodes, func(g *fleet.GroupSpec) { g.Sentinel.DownAfter = fleet.Duration(cutDownAfter) })
	if s.spec != nil {
		s.spec(&spec)
	}
	f.Apply(fleet.SpecRecord{Spec: spec.WithDefaults()})
	c := newCut(label, at)
	for i := range s.coordinators {
		f.mortalCoordinator(i+1, c)
	}
	for i := range cutNodes {
		f.mortalAgent(i+1, c)
	}
	var more map[string]int
	if s.then != nil {
		f.WaitServing(cutServingIn)
		h.mayEnd(s.rebuild != nil)
		more = s.then(t, f)
	}
	if s.rebuild != nil {
		eventually(t, cutServingIn, "the records are gone", h.ended)
	}
	victim := c.wait(t, f, cutServingIn)
	before := identities(t, f)
	if s.coordinators == 1 || victim.node > 0 {
		victim.again()
	}
	if s.rebuild != nil {
		s.rebuild(t, f)
	}
	checkOutcome(t, f, h, before, more)
	if s.check != nil {
		s.check(t, f)
	}
}
