package fleettest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

// errCut is what a daemon hears where it is cut, and at each effect that one of
// its goroutines still tries after that.
var errCut = errors.New("the daemon was cut here")

// cut is one place at which the first daemon that gets there ends.
type cut struct {
	label  effect.Label
	at     effect.Point
	taken  atomic.Bool
	victim chan *mortal
}

func newCut(label effect.Label, at effect.Point) *cut {
	return &cut{label: label, at: at, victim: make(chan *mortal, 1)}
}

// wait gives the daemon that was cut, once it has ended.
func (c *cut) wait(t *testing.T, f *Fleet, limit time.Duration) *mortal {
	t.Helper()
	select {
	case m := <-c.victim:
		_ = m.daemon.Wait(t, 10*time.Second)
		return m
	case <-time.After(limit):
		a, err := f.Assessment(t.Context())
		t.Fatalf("no daemon came to %q within %s; the group is %s (%s), %v\n%s\n%s",
			c.label, limit, a.State, a.Reason, err, failing(a), tail(f.Log.String()))
		return nil
	}
}

// mortal is a daemon in this process that can end as by kill -9: from one moment
// on it changes nothing on its node and nothing in Consul, and gives no goodbye.
type mortal struct {
	line   *line
	dead   atomic.Bool
	cancel context.CancelFunc
	daemon *Daemon
	// node is the number of an agent's node; 0 for a coordinator.
	node int
	// again starts it anew, as its own successor.
	again func() *mortal
}

// die is kill -9.
func (m *mortal) die() {
	m.dead.Store(true)
	m.line.cut()
	m.cancel()
}

// hook refuses every effect of a dead daemon, and lets it die at the cut.
func (m *mortal) hook(c *cut) effect.Hook {
	return func(_ context.Context, l effect.Label, at effect.Point) error {
		if m.dead.Load() {
			return errCut
		}
		if c != nil && l == c.label && at == c.at && c.taken.CompareAndSwap(false, true) {
			m.die()
			c.victim <- m
			return errCut
		}
		return nil
	}
}

// mortalAgent starts the agent of node n<i>; c may be nil.
func (f *Fleet) mortalAgent(i int, c *cut) *mortal {
	o := agent.Options{Config: f.AgentConfig(i), Log: f.Logger(fmt.Sprintf("agent n%d", i))}
	m := &mortal{node: i, again: func() *mortal { return f.mortalAgent(i, nil) }}
	return f.runMortal(m, fmt.Sprintf("agent-%d", i), func(ctx context.Context) error {
		o.Config.Consul.Address, o.Hook = m.line.Addr(), m.hook(c)
		return agent.Run(ctx, o)
	})
}

// coordinatorConfig is the configuration of coordinator c<i>.
func (f *Fleet) coordinatorConfig(i int) specfile.CoordinatorConfig {
	return specfile.CoordinatorConfig{
		Fleet: f.Name, Name: fmt.Sprintf("c%d", i), KeyFile: f.KeyFile(),
		Consul: specfile.ConsulConfig{Address: f.Consul}, LeaseTTL: fleet.Duration(f.LeaseTTL),
	}
}

// mortalCoordinator starts coordinator c<i>; c may be nil.
func (f *Fleet) mortalCoordinator(i int, c *cut) *mortal {
	o := coordinator.Options{Config: f.coordinatorConfig(i), Log: f.Logger(fmt.Sprintf("coordinator c%d", i))}
	m := &mortal{again: func() *mortal { return f.mortalCoordinator(i, nil) }}
	return f.runMortal(m, fmt.Sprintf("coordinator-%d", i), func(ctx context.Context) error {
		o.Config.Consul.Address, o.Hook = m.line.Addr(), m.hook(c)
		return coordinator.Run(ctx, o)
	})
}

func (f *Fleet) runMortal(m *mortal, name string, run func(context.Context) error) *mortal {
	m.line = newLine(f.t, f.Consul)
	ready := make(chan struct{})
	m.daemon = f.run(name, func(ctx context.Context) error {
		ctx, m.cancel = context.WithCancel(ctx)
		defer m.cancel()
		<-ready
		return run(ctx)
	})
	close(ready)
	return m
}
