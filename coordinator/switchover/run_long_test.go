//go:build long

package switchover

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
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
	g := newPatientGroup(t)
	g.record(1, time.Millisecond)
	g.signal("n3", syscall.SIGSTOP)
	began := g.rec.Now()
	var once sync.Once
	out, err := Run(t.Context(), g.options(func(_ context.Context, l effect.Label, at effect.Point) error {
		if l == LabelPause && at == effect.After {
			once.Do(func() {
				thaw := time.AfterFunc(switchover.CatchUp(2*downAfter)/4, func() { g.thaw("n3") })
				t.Cleanup(func() { thaw.Stop() })
			})
		}
		return nil
	}))
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
	over := switchover.Pause(downAfter) + 100*time.Millisecond
	for name, tt := range map[string]struct {
		label effect.Label
		at    effect.Point
		hold  time.Duration
		want  error
	}{
		"before asking":                  {LabelPause, effect.After, over, ErrUnchanged},
		"before the demotion":            {LabelDemote, effect.Before, over, ErrLapsed},
		"after the demotion, harmlessly": {LabelKeep, effect.After, over, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t)
			g.record(1, time.Millisecond)
			done := false
			out, err := Run(t.Context(), g.options(func(_ context.Context, l effect.Label, at effect.Point) error {
				if l == tt.label && at == tt.at && !done {
					done = true
					time.Sleep(tt.hold)
				}
				return nil
			}))
			if !errors.Is(err, tt.want) {
				t.Errorf("%+v, %v", out, err)
			}
			if errors.Is(tt.want, ErrUnchanged) {
				g.goesOn(out)
				return
			}
			if master := g.whole(); master.Node != out.To.Node {
				t.Errorf("%s is master, and not %s", master.Node, out.To.Node)
			}
		})
	}
}

// TestBlockedOutputLong: a terminal that takes no output holds up whoever switches, and
// nobody is asked once the pause is over.
func TestBlockedOutputLong(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	g.record(1, time.Millisecond)
	o := g.options(g.unasked)
	o.Tell = func(string, ...any) { time.Sleep(switchover.Pause(downAfter)) }
	out, err := Run(t.Context(), o)
	if !errors.Is(err, ErrUnchanged) {
		t.Errorf("%+v, %v", out, err)
	}
	g.goesOn(out)
}

// TestFrozenBetweenLooksLong: whoever switches is frozen between two looks for so long
// that Sentinel has made the old master a replica, and all looks well.
func TestFrozenBetweenLooksLong(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	g.record(1, time.Millisecond)
	r := newRun(g.options(nil))
	frozen := false
	r.rest = func(d time.Duration) {
		if !r.askedAt.IsZero() && !frozen {
			frozen = true
			until(t, 30*time.Second, func() string {
				_, f := g.look()
				for _, s := range f.servers {
					if s.Addr == r.o.Master.Addr && s.Role != fleet.RoleReplica {
						return "the old master is a master still"
					}
				}
				return ""
			})
		}
		time.Sleep(d)
	}
	out, err := r.carryOut(t.Context())
	if !errors.Is(err, ErrLapsed) || out.To.Node == "" {
		t.Errorf("%+v, %v", out, err)
	}
	if now := g.whole(); now.Node != out.To.Node {
		t.Errorf("%s is master, and not %s", now.Node, out.To.Node)
	}
}

// TestFrozenOldMasterLong: one that stays silent until long after its pause may take the
// writes that it holds, and the run says so. It ends in the time given.
func TestFrozenOldMasterLong(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	g.record(1, time.Millisecond)
	master, _ := g.look()
	began := time.Now()
	out, err := Run(t.Context(), g.options(func(_ context.Context, l effect.Label, at effect.Point) error {
		if l == LabelAsk && at == effect.After {
			g.signal(master.Node, syscall.SIGSTOP)
		}
		if l == LabelUnpause {
			t.Error("its writes are let go on")
		}
		return nil
	}))
	g.thaw(master.Node)
	if !errors.Is(err, ErrLapsed) || out.To.Node == "" || time.Since(began) > 30*time.Second {
		t.Errorf("after %s: %+v, %v", time.Since(began), out, err)
	}
	if now := g.whole(); now.Node != out.To.Node {
		t.Errorf("%s is master, and not %s", now.Node, out.To.Node)
	}
}

// TestChosenFreezesLong: the replica that Sentinel chose freezes while it is told to take
// over. The writes are held on past the pause, since it takes over as soon as it can. It
// is back within down-after: later other sentinels, whose PUBLISH to the master the pause
// holds up with all that they send on that link, can count the master as down and promote
// the other replica, unless they have made that link anew (docs/guarantees.md).
func TestChosenFreezesLong(t *testing.T) {
	t.Parallel()
	g := newPatientGroup(t)
	g.prefer("n2")
	g.record(2, time.Millisecond)
	began := g.rec.Now()
	out, err := Run(t.Context(), g.options(func(_ context.Context, l effect.Label, at effect.Point) error {
		if l == LabelAsk && at == effect.Before {
			g.signal("n2", syscall.SIGSTOP)
			thaw := time.AfterFunc(8*time.Second, func() { g.thaw("n2") })
			t.Cleanup(func() { thaw.Stop() })
		}
		return nil
	}))
	if err != nil || out.To.Node != "n2" || out.Held < 8*time.Second {
		t.Fatalf("%+v, %v", out, err)
	}
	judged(t, g.judge(began), []Outcome{out})
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
