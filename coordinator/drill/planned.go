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
	d.MasterAfter = out.To.Node
	if errors.Is(err, switchover.ErrUnchanged) {
		d.MasterAfter = f.Master.Node
		return d, err
	}
	c := &course{o: o, t: f.Target, f: f, password: password}
	o.Tell("waiting until the group is whole again")
	for d.Why = c.unsettled(ctx, out.To.Node); d.Why != "" && time.Since(began) < o.Timeout; d.Why = c.unsettled(ctx, out.To.Node) {
		select {
		case <-ctx.Done():
			return d, errors.Join(err, fmt.Errorf("it was not waited for any longer: %w", ctx.Err()))
		case <-time.After(pause):
		}
	}
	d.Whole, d.WholeMS = d.Why == "", time.Since(began).Milliseconds()
	return d, err
}
