package switchover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/switchover"
)

const (
	// lookEvery is the pause between two looks.
	lookEvery = 20 * time.Millisecond
	// inStepIn is how long the old master may take to follow the new one.
	inStepIn = 15 * time.Second
	// releaseIn bounds each try to let the writes go on; the pause ends by itself too.
	releaseIn = 2 * time.Second
)

// Run switches the master. When it returns, no write is held any more, but for one that
// would be lost if it went on at once: such writes go on within a pause. An error says
// what stands: ErrUnchanged, ErrLeft, or ErrLapsed. A context that ends stops it while
// nothing was changed yet; once the sentinel was asked it goes on to the end, which is
// bounded.
func Run(ctx context.Context, o Options) (Outcome, error) {
	return newRun(o).carryOut(ctx)
}

func newRun(o Options) *run {
	e := open(o.Target, o.Password)
	return &run{o: o, eyes: e, old: e.of(o.Master.Addr), out: Outcome{From: o.Master}, rest: time.Sleep,
		course: switchover.Course{DownAfter: o.Target.DownAfter, Master: o.Master, Ask: o.Ask}}
}

func (r *run) carryOut(ctx context.Context) (Outcome, error) {
	defer r.eyes.close()
	o := r.o
	if r.old == nil {
		return r.out, fmt.Errorf("%w: %s is no server of group %q", ErrUnchanged, o.Master.Addr, o.Target.Group)
	}
	if o.Target.DownAfter < switchover.ShortestDownAfter {
		return r.out, fmt.Errorf("%w: down_after is %s, and writes cannot be held for as long as Sentinel needs below %s (hazard S13)",
			ErrUnchanged, o.Target.DownAfter, switchover.ShortestDownAfter)
	}
	r.stop = ctx.Done()
	err := r.all(context.WithoutCancel(ctx))
	return r.out, err
}

// run is one planned failover.
type run struct {
	o      Options
	eyes   *eyes
	old    *redis.Server
	course switchover.Course
	out    Outcome
	stop   <-chan struct{}
	// rest is the pause between two looks.
	rest func(d time.Duration)

	// first is when the writes were first held, until when they are held at least.
	first, until time.Time
	askedAt      time.Time
	refused      string
	seen         switchover.Seen
}

func (r *run) all(ctx context.Context) error {
	_, sentinels := r.eyes.look(ctx)
	for _, s := range sentinels {
		r.course.Epoch = max(r.course.Epoch, s.Report.ConfigEpoch)
	}
	r.first = time.Now()
	if err := r.begin(ctx); err != nil {
		r.out.Held = since(r.first)
		return errors.Join(fmt.Errorf("%w: %w", ErrUnchanged, err), r.release(ctx))
	}
	for {
		f := r.facts(ctx)
		if end, err := r.do(ctx, switchover.Next(r.course, f)); end {
			return err
		}
		if f.Left = r.left(); switchover.HoldOn(r.course, f) {
			if err := r.holdOn(ctx); err != nil {
				r.o.Tell("holding the writes on: %v", err)
			}
		}
		r.rest(lookEvery)
	}
}

// begin holds the writes, and keeps up to where the master acknowledged any.
func (r *run) begin(ctx context.Context) error {
	if err := r.pause(ctx); err != nil {
		return err
	}
	in, err := r.old.Observe(ctx)
	if err != nil {
		return err
	}
	r.course.ReplID, r.course.Offset = in.ReplID, in.Offset
	return nil
}

func (r *run) facts(ctx context.Context) switchover.Facts {
	servers, sentinels := r.eyes.look(ctx)
	f := switchover.Facts{Since: since(r.first), Left: r.left(), Asked: !r.askedAt.IsZero(), Refused: r.refused,
		Servers: servers, Sentinels: sentinels}
	if f.Asked {
		f.SinceAsked = since(r.askedAt)
	}
	select {
	case <-r.stop:
		f.Stop = true
	default:
	}
	return r.seen.Add(r.course, f)
}

// do carries a step out; end says that it was the last one.
func (r *run) do(ctx context.Context, step switchover.Step) (end bool, err error) {
	if step.Master.Node != "" {
		r.out.To = step.Master
	}
	switch step.Do {
	case switchover.Ask:
		r.ask(ctx)
		return false, nil
	case switchover.Demote:
		if err := r.demote(ctx, step.Master.Addr); err != nil {
			r.o.Tell("%v", err)
		}
		return false, nil
	case switchover.Wait:
		return false, nil
	}
	r.out.Held = since(r.first)
	return true, r.end(ctx, step)
}

// end carries the last step out. A server that is not known to be a replica goes on by
// itself when its pause ends, once another one was promoted.
func (r *run) end(ctx context.Context, step switchover.Step) error {
	switch step.Do {
	case switchover.Done:
		return r.finish(ctx)
	case switchover.Gone:
		r.out.Warnings = append(r.out.Warnings, step.Why)
		return r.lapsed()
	case switchover.Lapse:
		return fmt.Errorf("%w: %s", ErrLapsed, step.Why)
	case switchover.Back:
		return errors.Join(fmt.Errorf("%w: %s", ErrUnchanged, step.Why), r.release(ctx))
	}
	err := fmt.Errorf("%w: %s", ErrLeft, step.Why)
	if step.Hold {
		return err
	}
	return errors.Join(err, r.release(ctx))
}

// ask holds the writes on for a whole pause and asks the one sentinel, once. Where they
// could not be held on nobody is asked, and the next look decides. Nothing that could
// block stands between the two.
func (r *run) ask(ctx context.Context) {
	r.o.Tell("every replica has what %s acknowledged; asking the sentinel on %s for a failover", r.o.Master.Node, r.o.Ask.Node)
	if err := r.pause(ctx); err != nil || r.seen.Lapsed {
		return
	}
	r.askedAt = time.Now()
	err := r.o.Effects.Do(ctx, LabelAsk, func(ctx context.Context) error {
		return redis.Network{}.AskFailover(ctx, r.o.Ask.Addr, sentinelWord(r.o.Target, r.o.Password), r.o.Target.MasterName)
	})
	switch {
	case redis.Refused(err):
		r.refused = err.Error()
	case err != nil: // a failover may come of it all the same
		r.o.Tell("%v; no other sentinel is asked (hazard S18)", err)
	}
}
