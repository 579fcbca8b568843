//go:build long

package switchover

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/switchover"
)

// TestDoerDiesLong ends whoever switches at each of its effects, as by kill -9. The writes
// go on by themselves; until the sentinel is asked nothing is changed, and from the
// moment the old master is a replica nothing is lost. In between the group becomes
// whole under the new master, and what the old one took after the pause is counted.
func TestDoerDiesLong(t *testing.T) {
	for i, label := range Labels() {
		for _, at := range []effect.Point{effect.Before, effect.After} {
			t.Run(fmt.Sprintf("%s %s", at, label), func(t *testing.T) {
				t.Parallel()
				g := newGroup(t)
				g.record(2, time.Millisecond)
				began := g.rec.Now()
				from, _ := g.look()
				dies(t, g.options(func(_ context.Context, l effect.Label, p effect.Point) error {
					if l == label && p == at {
						runtime.Goexit()
					}
					return nil
				}))
				died := time.Now()
				g.writing(100)
				took := time.Since(died)
				master := g.whole()
				found := g.judge(began)[1]
				t.Logf("clients wrote again after %s; %d acknowledged, %d lost, two masters for %s, gap %s; the master was %s and is %s",
					took.Round(time.Millisecond), found.Acknowledged, found.Lost, found.Dual.Round(time.Millisecond), found.Gap.Round(time.Millisecond), from.Node, master.Node)
				asked := i > 1 || i == 1 && at == effect.After
				demoted := i > 2 || i == 2 && at == effect.After
				if asked != (master.Node != from.Node) {
					t.Errorf("the master was %s and is %s", from.Node, master.Node)
				}
				if (!asked || demoted) && (found.Lost > 0 || found.Dual > 0) {
					t.Errorf("%d acknowledged writes were lost, two masters for %s", found.Lost, found.Dual)
				}
				if limit := switchover.Pause(downAfter) + 5*time.Second; found.Gap > limit {
					t.Errorf("clients wrote nothing for %s, more than %s", found.Gap, limit)
				}
			})
		}
	}
}

// dies runs a planned failover whose goroutine ends in its hook.
func dies(t *testing.T, o Options) {
	t.Helper()
	ended := make(chan bool)
	go func() {
		whole := false
		defer func() { ended <- whole }()
		_, _ = Run(context.Background(), o)
		whole = true
	}()
	if <-ended {
		t.Error("it came to its end")
	}
}
