package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/coordinator/switchover"
	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/secret"
)

// Idle is the document of a planned failover that had nothing to do: the group is fit
// for it, and its master is elsewhere already.
func Idle(o Options, f Finding) drill.Switched {
	d := drill.Switched{Move: move(o, f, time.Now()), Whole: true, Warnings: []string{}}
	d.MasterAfter = d.MasterBefore
	return d
}

// Failover switches the master of a live group as the drill does, without clients of
// its own, and waits until the group is whole: for work on the master's machine. It
// refuses what the drill refuses, under the same lock. The document is empty where
// nothing was begun; an error that is neither ErrLocked nor ErrRefused is one of
// package switchover, or of the way to Consul.
func Failover(ctx context.Context, o Options) (d drill.Switched, err error) {
	o.Kind = drill.Failover
	err = judged(ctx, o, func(ctx context.Context, f Finding, password secret.Password) (err error) {
		d, err = switched(ctx, o, f, password)
		return err
	})
	return d, err
}

func switched(ctx context.Context, o Options, f Finding, password secret.Password) (drill.Switched, error) {
	began := time.Now()
	out, err := switchover.Run(ctx, switchover.Options{Target: f.Target, Password: password, Master: f.Master, Ask: f.Ask, Effects: o.Effects, Tell: o.Tell})
	d := drill.Switched{Move: move(o, f, began), HeldMS: out.Held.Milliseconds(), Warnings: append([]string{}, out.Warnings...)}
	c := &course{o: o, f: f, password: password}
	if !errors.Is(err, switchover.ErrUnchanged) {
		o.Tell("waiting until the group is whole again")
		err = errors.Join(err, c.settle(ctx, &d, out.To.Node, began))
	}
	d.MasterAfter = c.named(ctx)
	return d, err
}

// settle waits until the group is whole, with its master on a node.
func (c *course) settle(ctx context.Context, d *drill.Switched, master string, began time.Time) error {
	for d.Why = c.unsettled(ctx, master); d.Why != "" && time.Since(began) < c.o.Timeout; d.Why = c.unsettled(ctx, master) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("it was not waited for any longer: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
	d.Whole, d.WholeMS = d.Why == "", time.Since(began).Milliseconds()
	return nil
}
