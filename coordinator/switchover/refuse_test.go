package switchover

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/switchover"
)

// TestFrozenReplica: Sentinel could promote a replica that does not answer, and chooses
// by offsets that it saw up to ten seconds ago. So nobody is asked: the master goes on
// after a third of a pause.
func TestFrozenReplica(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	g.record(1, time.Millisecond)
	g.signal("n2", syscall.SIGSTOP)
	out, err := Run(t.Context(), g.options(g.unasked))
	g.thaw("n2")
	if !errors.Is(err, ErrUnchanged) || !strings.Contains(err.Error(), "the replica on n2 does not answer") || out.To.Node != "" {
		t.Errorf("%+v, %v", out, err)
	}
	t.Logf("%v; writes were held for %s", err, out.Held)
	g.goesOn(out)
}

// unasked is the hook of a planned failover that must ask nobody.
func (g *group) unasked(_ context.Context, l effect.Label, at effect.Point) error {
	if l == LabelAsk && at == effect.Before {
		g.t.Error("a sentinel was asked")
	}
	return nil
}

// TestRefused: what does not let writes be held at all.
func TestRefused(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	short, stranger := g.options(g.unasked), g.options(g.unasked)
	short.Target.DownAfter = switchover.ShortestDownAfter - 1
	stranger.Master.Addr.Port++
	for _, o := range []Options{short, stranger} {
		if out, err := Run(t.Context(), o); !errors.Is(err, ErrUnchanged) || out.Held != 0 {
			t.Errorf("%+v, %v", out, err)
		}
	}
}
