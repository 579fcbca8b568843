package switchover

import (
	"context"
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
	if !r.until.IsZero() && r.left() <= 0 {
		r.seen.Late()
	}
	r.until = sent.Add(length)
	return nil
}

// holdOn begins the pause anew. It waits no longer than a look does: what is left of
// the pause is the time in which a server that is silent now has to be made a replica.
func (r *run) holdOn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookIn)
	defer cancel()
	return r.pause(ctx)
}

// left is for how long the writes are held at least.
func (r *run) left() time.Duration { return left(r.until, time.Now(), time.Now()) }

// left is how long it is until a time, by the clock that stops while a machine is
// suspended, which is that of now, or by the one on the wall, whichever says less.
func left(until, now, wall time.Time) time.Duration {
	return min(until.Sub(now), until.Round(0).Sub(wall.Round(0)))
}

// since is how long ago a time was, by the clock that says more.
func since(t time.Time) time.Duration { return -left(t, time.Now(), time.Now()) }

// release lets the writes go on. Where it fails they go on when the pause ends.
func (r *run) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, releaseIn)
	defer cancel()
	err := r.o.Effects.Do(ctx, LabelUnpause, r.old.Unpause)
	if err != nil {
		return fmt.Errorf("%w; they go on within %s", err, switchover.Pause(r.course.DownAfter))
	}
	return nil
}

// demote makes the old master a replica of the new one while its writes are held, as
// Sentinel would some ten seconds later (hazard S12): they are then refused.
func (r *run) demote(ctx context.Context, to fleet.Addr) error {
	if err := r.o.Effects.Do(ctx, LabelDemote, func(ctx context.Context) error { return r.old.ReplicaOf(ctx, to) }); err != nil {
		return err
	}
	r.seen.Demote(r.left())
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
	return r.lapsed()
}

// lapsed is an error where the old master may have taken writes that are lost.
func (r *run) lapsed() error {
	if r.seen.Lapsed {
		return fmt.Errorf("%w: what it acknowledged in that time is lost", ErrLapsed)
	}
	return nil
}

// inStep waits until the old master follows the new one with all that it has.
func (r *run) inStep(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, inStepIn)
	defer cancel()
	for {
		if old := server(ctx, r.o.Master, r.old); old.Follows(r.out.To.Addr) && old.LinkUp {
			return ""
		}
		if ctx.Err() != nil {
			return fmt.Sprintf("the server on %s does not follow the one on %s yet", r.o.Master.Node, r.out.To.Node)
		}
		time.Sleep(lookEvery)
	}
}
