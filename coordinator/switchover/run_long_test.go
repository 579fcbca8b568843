//go:build long

package switchover

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/switchover"
)

// TestPlannedLong switches the master three times, or as often as REDFLEET_ROUNDS
// says, at each durability, and at the shortest down-after, while clients write as
// fast as they get answers.
func TestPlannedLong(t *testing.T) {
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("REDFLEET_ROUNDS")); err == nil {
		rounds = n
	}
	bounded := []string{"min-replicas-to-write 1", "min-replicas-max-lag 9"}
	for name, c := range map[string]struct {
		durability fleet.Durability
		downAfter  time.Duration
		lines      []string
	}{
		"fast":                     {fleet.Fast, downAfter, nil},
		"bounded":                  {fleet.Bounded, downAfter, bounded},
		"acknowledged":             {fleet.Acknowledged, downAfter, append(bounded, "appendonly yes", "appendfsync always")},
		"fast, shortest downafter": {fleet.Fast, switchover.ShortestDownAfter, nil},
	} {
		t.Run(name, func(t *testing.T) {
			planned(t, newGroupOf(t, c.durability, c.downAfter, c.lines...), rounds, time.Microsecond)
		})
	}
}

// TestLateReplicaLong: a replica that comes into step while the writes are held is waited
// for.
func TestLateReplicaLong(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	g.record(1, time.Millisecond)
	g.signal("n3", syscall.SIGSTOP)
	thaw := time.AfterFunc(switchover.CatchUp(downAfter)/2, func() { g.thaw("n3") })
	defer thaw.Stop()
	began := g.rec.Now()
	out, err := Run(t.Context(), g.options(nil))
	if err != nil {
		t.Fatalf("%+v, %v", out, err)
	}
	judged(t, g.judge(began), []Outcome{out})
}

// TestHeldUpLong: whoever switches is frozen itself until the pause is over. Before the
// sentinel is asked nothing is changed; afterwards the switch is ended, and said to
// have lost what the master took meanwhile.
func TestHeldUpLong(t *testing.T) {
	t.Parallel()
	for label, want := range map[effect.Label]error{LabelPause: ErrUnchanged, LabelDemote: ErrLapsed} {
		t.Run(string(label), func(t *testing.T) {
			t.Parallel()
			g := newGroup(t)
			g.record(1, time.Millisecond)
			done := false
			out, err := Run(t.Context(), g.options(func(_ context.Context, l effect.Label, at effect.Point) error {
				if l == label && !done && (at == effect.After) == (label == LabelPause) {
					done = true
					time.Sleep(switchover.Pause(downAfter) + 100*time.Millisecond)
				}
				return nil
			}))
			if !errors.Is(err, want) {
				t.Errorf("%+v, %v", out, err)
			}
			if want == ErrUnchanged {
				g.goesOn(out)
				return
			}
			if master := g.whole(); master.Node != out.To.Node {
				t.Errorf("%s is master, and not %s", master.Node, out.To.Node)
			}
		})
	}
}

// TestStoppedBeforeLong: where it is told to stop before the sentinel was asked, nothing
// was changed.
func TestStoppedBeforeLong(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	g.record(1, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, err := Run(ctx, g.options(nil))
	if !errors.Is(err, ErrUnchanged) || out.To.Node != "" {
		t.Errorf("%+v, %v", out, err)
	}
	g.goesOn(out)
}
