package switchover

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/effect"
)

// TestOldMasterStalls: the old master lives, and is silent while another one is promoted
// and named. Its writes are not let go on before it is a replica: none of those that
// it holds is acknowledged and lost (hazard S13).
func TestOldMasterStalls(t *testing.T) {
	t.Parallel()
	g := newPatientGroup(t)
	g.record(2, time.Millisecond)
	began := g.rec.Now()
	master, _ := g.look()
	out, err := Run(t.Context(), g.options(func(_ context.Context, l effect.Label, at effect.Point) error {
		switch {
		case l == LabelAsk && at == effect.After:
			g.signal(master.Node, syscall.SIGSTOP)
		case l == LabelDemote || l == LabelUnpause: // most sentinels name another one
			g.thaw(master.Node)
		}
		return nil
	}))
	if err != nil || out.To.Node == "" {
		t.Errorf("%+v, %v", out, err)
	}
	judged(t, g.judge(began), []Outcome{out})
}

// TestOldMasterDies: nothing is left to be done for one whose process has ended, and
// nothing that it held was acknowledged.
func TestOldMasterDies(t *testing.T) {
	t.Parallel()
	g := newPatientGroup(t)
	g.record(1, time.Millisecond)
	began := g.rec.Now()
	master, _ := g.look()
	out, err := Run(t.Context(), g.options(func(_ context.Context, l effect.Label, at effect.Point) error {
		if l == LabelAsk && at == effect.After {
			g.servers[master.Node].Stop(syscall.SIGKILL)
		}
		return nil
	}))
	if err != nil || out.To.Node == "" || len(out.Warnings) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	g.writing(100)
	g.restart(master.Node, out.To)
	judged(t, g.judge(began), []Outcome{out})
}

// TestClocks: a machine that was suspended sees it by the clock on the wall alone; one
// whose wall clock was set back, by the other.
func TestClocks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	until := now.Add(2 * time.Second)
	for wall, want := range map[time.Duration]time.Duration{0: 2 * time.Second, 15 * time.Second: -13 * time.Second, -time.Hour: 2 * time.Second} {
		if got := left(until, now, now.Round(0).Add(wall)); got != want {
			t.Errorf("%s later on the wall: %s are left, want %s", wall, got, want)
		}
	}
}
