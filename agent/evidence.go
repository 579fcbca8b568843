package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/evidence"
	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/agent/publish"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/secret"
)

// The labels of a failover on evidence, in their order; the claim is publish's.
const (
	LabelGiveUp effect.Label = "agent: give the master's role up"
	LabelAsking effect.Label = "agent: note which sentinel is asked"
	LabelAsk    effect.Label = "agent: ask a sentinel for a failover"
	LabelTakeUp effect.Label = "agent: take the master's role up again"
)

const (
	// claimPatience bounds the wait for Consul, askPatience that for the sentinel:
	// both lie well within evidence.Patience and what a sentinel has left of down-after.
	claimPatience = time.Second
	askPatience   = 500 * time.Millisecond
	// lookAgain is between two looks at what is missing for a request.
	lookAgain = 20 * time.Millisecond
)

// reign is a server that was seen to run as the master.
type reign struct {
	last evidence.Last
	// starts is Memory.Starts of the process that was seen.
	starts uint64
	// ended is when its end was seen; zero while it runs.
	ended time.Time
}

// watchMasters keeps what a later crash must be judged by, and asks for a failover
// where a master's process has just ended. That comes before all else that the pass
// would do for it; tried tells that it did.
func (a *agent) watchMasters(ctx context.Context, seen map[fleet.InstanceID]observe.Seen) (tried bool) {
	for _, g := range a.goal.Instances {
		if g.Kind != fleet.KindRedis || g.Monitor == nil {
			continue
		}
		s := seen[g.ID]
		switch {
		case s.Info != nil && s.Info.Role == fleet.RoleMaster && !s.Info.Loading:
			a.reigns[g.ID] = reign{last: lastOf(s.Info), starts: s.Facts.Memory.Starts}
		case s.Info != nil:
			delete(a.reigns, g.ID)
		case s.Facts.Problem == "" && s.Facts.Unit.State != fleet.UnitActive && s.Facts.Unit.State != "":
			if r, ok := a.reigns[g.ID]; ok && g.Seed == nil {
				delete(a.reigns, g.ID) // one request for one crash, whatever comes of it
				r.ended, tried = a.now(), true
				a.publish(seen, nil) // nobody is led to it any more
				a.succeed(ctx, g, r, s)
			}
		}
	}
	return tried
}

func lastOf(i *redis.Info) evidence.Last {
	l := evidence.Last{ReplID: i.ReplID, Offset: i.Offset}
	for _, r := range i.Replicas {
		if r.State == "online" {
			l.Replicas = append(l.Replicas, r.Addr)
		}
	}
	return l
}

// crashed: the process ended by a signal that nobody sends to end it in good order,
// or with an error.
func crashed(u fleet.UnitStatus) bool {
	switch u.State {
	case fleet.UnitFailed:
		return !strings.HasPrefix(u.Exit, "not started")
	case fleet.UnitActivating: // systemd is starting it again already
		return !slices.Contains([]string{"", "exit status 0", "signal: terminated", "signal: interrupt", "signal: hangup"}, u.Exit)
	}
	return false
}

// succession is one attempt to have a failover at once.
type succession struct {
	a        *agent
	g        fleet.InstanceGoal
	r        reign
	crashed  bool
	password secret.Password
	claim    fleet.Claim
	marker   converge.GaveUp
}

// succeed goes through the steps of docs/design.md, "Failover on evidence". Whatever
// stops it leaves the failover to the sentinels.
func (a *agent) succeed(ctx context.Context, g fleet.InstanceGoal, r reign, s observe.Seen) {
	password, err := a.password(ctx, g)
	if err != nil {
		return
	}
	x := &succession{a: a, g: g, r: r, crashed: crashed(s.Facts.Unit), password: password}
	err = x.run(ctx, evidence.Case{Sentinels: s.Facts.Sentinels, Servers: s.Facts.Servers, Listening: s.Facts.PortOwner != ""})
	var left *leftError
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.As(err, &left):
		a.log.WithField("instance", g.ID).Infof("asks nobody for a failover (%s): %s", left.rule, left.reason)
	default:
		a.log.WithField("instance", g.ID).WithError(err).Warn("asks nobody for a failover")
	}
}

// leftError: the failover is left to the sentinels.
type leftError struct{ rule, reason string }

func (l *leftError) Error() string { return l.rule + ": " + l.reason }

func (x *succession) run(ctx context.Context, seen evidence.Case) error {
	d, err := x.await(ctx, seen)
	if err != nil {
		return err
	}
	if err := x.giveUp(ctx, d); err != nil {
		return err
	}
	if err := x.ask(ctx); err != nil {
		return errors.Join(err, x.takeUp(ctx))
	}
	return nil
}

// await looks until the verdict is Ask, or an error that says why it never is.
func (x *succession) await(ctx context.Context, seen evidence.Case) (evidence.Decision, error) {
	for {
		d := x.decide(seen)
		switch d.Verdict {
		case evidence.Ask:
			return d, nil
		case evidence.Leave:
			return d, &leftError{d.Rule, d.Reason}
		}
		select {
		case <-ctx.Done():
			return d, ctx.Err()
		case <-time.After(lookAgain):
		}
		x.a.notify.Alive()
		seen = x.look(ctx)
	}
}

func (x *succession) decide(seen evidence.Case) evidence.Decision {
	seen.Node, seen.Self, seen.Crashed, seen.Last = x.a.cfg.Node, x.g.Addr, x.crashed, x.r.last
	seen.Monitor, seen.SinceEnd, seen.Claimed = *x.g.Monitor, x.a.now().Sub(x.r.ended), x.claim.Sentinel
	return evidence.Decide(seen)
}

func (x *succession) look(ctx context.Context) evidence.Case {
	sentinels, servers := x.a.observer.Group(ctx, x.g, x.password)
	return evidence.Case{Sentinels: sentinels, Servers: servers, Listening: x.a.observer.Listens(ctx, x.g.Addr)}
}

// giveUp writes the marker: from here on this instance starts only as a replica,
// unless it was let start since its end was seen (hazard S20).
func (x *succession) giveUp(ctx context.Context, d evidence.Decision) error {
	id, err := ulid.New(ulid.Timestamp(x.a.now()), x.a.outside.Random)
	if err != nil {
		return err
	}
	x.claim = fleet.Claim{
		Format: fleet.Format, Group: x.g.Group, GroupID: x.g.GroupID, ID: id.String(), Node: x.a.cfg.Node,
		Master: x.g.Addr, Sentinel: d.Sentinel, At: x.a.now(),
	}
	x.marker = converge.GaveUp{Claim: x.claim.ID}
	return x.mark(ctx, LabelGiveUp, converge.GaveUp{}, x.marker)
}

// mark replaces the marker on disk, where it is still the one that was, and no start
// was let happen meanwhile.
func (x *succession) mark(ctx context.Context, label effect.Label, was, now converge.GaveUp) error {
	return x.a.effects.Do(ctx, label, func(context.Context) error {
		swapped := false
		_, err := state.UpdateInstance(x.a.store, x.g.ID, func(m *converge.Memory) {
			if swapped = m.Starts == x.r.starts && m.GaveUp == was; swapped {
				m.GaveUp = now
			}
		})
		switch {
		case err != nil:
			return err
		case !swapped:
			return &leftError{"started-again", "it was let start again meanwhile"}
		}
		return x.a.store.SyncInstances()
	})
}

// ask takes the claim, looks once more, notes whom it asks, and asks. An error means
// that no failover comes of it; one that may come of it is none.
func (x *succession) ask(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	if err := x.a.pub.Claim(bounded, x.claim); err != nil {
		return claimError(err)
	}
	d, err := x.await(ctx, x.look(ctx))
	if err != nil {
		return err
	}
	asking := converge.GaveUp{Claim: x.claim.ID, Sentinel: d.Sentinel}
	if err := x.mark(ctx, LabelAsking, x.marker, asking); err != nil {
		return err
	}
	x.marker = asking
	return x.request(ctx, d)
}

func claimError(err error) error {
	if errors.Is(err, publish.ErrNoClaim) {
		return &leftError{"no-claim", err.Error()}
	}
	return err
}

// request is the one request. The sentinel's refusal is an error; whatever else
// becomes of it may end in a failover, and the marker stays.
func (x *succession) request(ctx context.Context, d evidence.Decision) error {
	sentinel, ok := x.g.SentinelOn(d.Sentinel)
	if !ok {
		return &leftError{"no-sentinel", d.Sentinel + " runs no sentinel of the group"}
	}
	via := redis.Network{Dialer: x.a.outside.Network}
	err := x.a.effects.Do(ctx, LabelAsk, func(ctx context.Context) error {
		// As late as can be: a machine that stood still since the last look may find the
		// sentinels at a failover of their own (hazard S18; simulation, seed 8194).
		if since := x.a.now().Sub(x.r.ended); since > evidence.Patience(*x.g.Monitor) {
			return &leftError{"too-late", fmt.Sprintf("the process ended %s ago", since.Round(time.Millisecond))}
		}
		ctx, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		return via.AskFailover(ctx, sentinel.Addr, x.g.SentinelPassword(x.password.Reveal()), x.g.Monitor.MasterName)
	})
	var left *leftError
	switch {
	case errors.As(err, &left):
		return left
	case redis.Refused(err):
		return &leftError{"refused", err.Error()}
	}
	why := d.Reason
	if err != nil {
		why += "; its answer was lost: " + err.Error()
	}
	x.a.log.WithField("instance", x.g.ID).Infof("asked the sentinel on %s for a failover %s after the end of the process", d.Sentinel, x.a.now().Sub(x.r.ended).Round(time.Millisecond))
	x.a.pub.Tell(fleet.Event{Group: x.g.Group, What: "the sentinel on " + d.Sentinel + " was asked for a failover", Why: why})
	return nil
}

// takeUp removes the marker of a request that was never made, or was refused.
func (x *succession) takeUp(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil // the agent ends: what is on disk holds
	}
	return x.mark(ctx, LabelTakeUp, x.marker, converge.GaveUp{})
}
