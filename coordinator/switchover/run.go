package switchover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
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

// Run switches the master. When it returns, no write is held any more. An error says
// what stands: ErrUnchanged, ErrLeft, or ErrLapsed. A context that ends stops it while
// nothing was changed yet; once the sentinel was asked it goes on to the end, which is
// bounded.
func Run(ctx context.Context, o Options) (Outcome, error) {
	e := open(o.Target, o.Password)
	defer e.close()
	r := &run{o: o, eyes: e, old: e.of(o.Master.Addr), out: Outcome{From: o.Master},
		course: switchover.Course{DownAfter: o.Target.DownAfter, Master: o.Master, Ask: o.Ask}}
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

	// first is when the writes were first held, until when they are held at least;
	// lapsed: that ran out before they were held on.
	first, until time.Time
	lapsed       bool
	askedAt      time.Time
	refused      string
}

func (r *run) all(ctx context.Context) error {
	_, sentinels := r.eyes.look(ctx)
	for _, s := range sentinels {
		r.course.Epoch = max(r.course.Epoch, s.Report.ConfigEpoch)
	}
	r.first = time.Now()
	if err := r.begin(ctx); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrUnchanged, err), r.release(ctx))
	}
	for {
		step := switchover.Next(r.course, r.facts(ctx))
		if end, err := r.do(ctx, step); end {
			return err
		}
		if err := r.holdOn(ctx, false); err != nil {
			r.o.Tell("holding the writes on: %v", err)
		}
		time.Sleep(lookEvery)
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
	f := switchover.Facts{Since: time.Since(r.first), Left: time.Until(r.until), Asked: !r.askedAt.IsZero(), Refused: r.refused,
		Servers: servers, Sentinels: sentinels}
	if r.lapsed {
		f.Left = 0
	}
	if f.Asked {
		f.SinceAsked = time.Since(r.askedAt)
	}
	select {
	case <-r.stop:
		f.Stop = true
	default:
	}
	for _, s := range servers {
		if s.Addr != r.o.Master.Addr && s.Role == fleet.RoleMaster && r.out.Promoted == 0 {
			r.out.Promoted = time.Since(r.first)
		}
	}
	return f
}

// do carries a step out; end says that it was the last one.
func (r *run) do(ctx context.Context, step switchover.Step) (end bool, err error) {
	switch step.Do {
	case switchover.Ask:
		return false, r.ask(ctx)
	case switchover.Demote:
		r.named(step.Master)
		if err := r.demote(ctx, step.Master.Addr); err != nil {
			r.o.Tell("%v", err)
			if time.Since(r.askedAt) > demoteIn {
				return true, errors.Join(fmt.Errorf("%w: %w", ErrLeft, err), r.release(ctx))
			}
		}
		return false, nil
	case switchover.Done:
		r.named(step.Master)
		return true, r.finish(ctx)
	case switchover.Back:
		return true, errors.Join(fmt.Errorf("%w: %s", ErrUnchanged, step.Why), r.release(ctx))
	case switchover.Leave:
		return true, errors.Join(fmt.Errorf("%w: %s", ErrLeft, step.Why), r.release(ctx))
	}
	return false, nil
}

// demoteIn bounds the tries to make the old master a replica; Sentinel does it later.
const demoteIn = 20 * time.Second

func (r *run) named(to fleet.Member) {
	if r.out.Named == 0 {
		r.out.To, r.out.Named = to, time.Since(r.first)
	}
}

// ask holds the writes on for a whole pause and asks the one sentinel, once.
func (r *run) ask(ctx context.Context) error {
	if err := r.holdOn(ctx, true); err != nil || r.lapsed {
		return nil // the next look finds too little left of the pause, and ends it
	}
	r.o.Tell("every replica has what %s acknowledged; asking the sentinel on %s for a failover", r.o.Master.Node, r.o.Ask.Node)
	word := r.o.Password.Reveal()
	if r.o.Target.Open {
		word = ""
	}
	r.askedAt = time.Now()
	err := r.o.Effects.Do(ctx, LabelAsk, func(ctx context.Context) error {
		return redis.Network{}.AskFailover(ctx, r.o.Ask.Addr, word, r.o.Target.MasterName)
	})
	switch {
	case redis.Refused(err):
		r.refused = err.Error()
	case err != nil: // a failover may come of it all the same
		r.o.Tell("%v; no other sentinel is asked (hazard S18)", err)
	}
	return nil
}
