package switchover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/switchover"
)

// pause holds the old master's writes for a whole pause from now.
func (r *run) pause(ctx context.Context) error {
	length := switchover.Pause(r.course.DownAfter)
	sent := time.Now()
	err := r.o.Effects.Do(ctx, LabelPause, func(ctx context.Context) error { return r.old.PauseWrites(ctx, length) })
	if err != nil {
		return err
	}
	// The server began the new pause before its answer came, and the one before ran
	// from its sending on at the earliest.
	if !r.until.IsZero() && time.Now().After(r.until) {
		r.lapsed = true
	}
	r.until = sent.Add(length)
	return nil
}

// holdOn holds them on where half of the pause is over, or always. Before the sentinel
// was asked only the asking itself does: the pause bounds how long a failed try takes.
func (r *run) holdOn(ctx context.Context, always bool) error {
	if !always && (r.askedAt.IsZero() || time.Until(r.until) > switchover.Pause(r.course.DownAfter)/2) {
		return nil
	}
	return r.pause(ctx)
}

// release lets the writes go on. Where it fails they go on when the pause ends.
func (r *run) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, releaseIn)
	defer cancel()
	err := r.o.Effects.Do(ctx, LabelUnpause, r.old.Unpause)
	r.out.Held = time.Since(r.first)
	if err != nil {
		return fmt.Errorf("%w; they go on within %s", err, switchover.Pause(r.course.DownAfter))
	}
	return nil
}

// demote makes the old master a replica of the new one while its writes are held, as
// Sentinel would some ten seconds later (hazard S12): they are then refused.
func (r *run) demote(ctx context.Context, to fleet.Addr) error {
	if time.Now().After(r.until) {
		r.lapsed = true
	}
	if err := r.o.Effects.Do(ctx, LabelDemote, func(ctx context.Context) error { return r.old.ReplicaOf(ctx, to) }); err != nil {
		return err
	}
	if err := r.o.Effects.Do(ctx, LabelKeep, r.old.ConfigRewrite); err != nil {
		r.out.Warnings = append(r.out.Warnings, err.Error()) // the fence decides its role at a start (hazard S15)
	}
	return nil
}

// finish lets the writes go on, which the old master refuses now, ends its clients'
// connections, and waits until it follows the new one.
func (r *run) finish(ctx context.Context) error {
	if err := r.release(ctx); err != nil {
		r.out.Warnings = append(r.out.Warnings, err.Error())
	}
	if err := r.o.Effects.Do(ctx, LabelClients, r.old.EndClients); err != nil {
		r.out.Warnings = append(r.out.Warnings, err.Error())
	}
	if why := r.inStep(ctx); why != "" {
		r.out.Warnings = append(r.out.Warnings, why)
	}
	if r.lapsed {
		return fmt.Errorf("%w: what it acknowledged in that time is lost", ErrLapsed)
	}
	return nil
}

// inStep waits until the old master follows the new one with all that it has.
func (r *run) inStep(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, inStepIn)
	defer cancel()
	for {
		in, err := r.old.Observe(ctx)
		switch {
		case err == nil && in.Role == fleet.RoleReplica && in.Master == r.out.To.Addr && in.LinkUp:
			return ""
		case ctx.Err() != nil:
			return fmt.Sprintf("the server on %s does not follow the one on %s yet", r.o.Master.Node, r.out.To.Node)
		case err != nil && errors.Is(err, context.Canceled):
			return err.Error()
		}
		time.Sleep(lookEvery)
	}
}
