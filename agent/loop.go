package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/systemd"
)

// How often the agent looks at its instances.
const (
	// lookForming: a group forms, and each look can bring it further.
	lookForming = 15 * time.Millisecond
	// formingShare is how small a part of a wait so far the next look may add to it.
	formingShare = 20
	// lookWaiting: an instance is down and waits for something outside.
	lookWaiting = 200 * time.Millisecond
	// lookRest: all is as it should be.
	lookRest = time.Second
	// retryFailed is how long a step that failed is left alone.
	retryFailed = time.Second
)

// trustedAfter is how long a server that was started again after a crash must run
// until it may have another such start.
const trustedAfter = time.Minute

// failure is a step's last error on an instance, with when to try again.
type failure struct {
	text  string
	until time.Time
}

// loop looks, decides, acts and reports until ctx ends.
func (a *agent) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ready := false; ; {
		select {
		case <-ctx.Done():
			a.notify.Stopping()
			return nil
		case <-timer.C:
		case <-a.offers.wake:
		case <-a.units.Exits():
		}
		a.heard() // the pass sees whatever else asked for it by now
		a.notify.Alive()
		again, err := a.pass(ctx)
		if err != nil {
			return err
		}
		if !ready { // the node was looked at once, with Consul or without
			a.notify.Ready()
			ready = true
		}
		timer.Reset(again)
	}
}

// heard takes what has woken the loop already.
func (a *agent) heard() {
	for {
		select {
		case <-a.offers.wake:
		case _, open := <-a.units.Exits():
			if !open {
				return
			}
		default:
			return
		}
	}
}

// pass is one round; it tells when to look again. An error ends the agent: it
// is only ever the cut of a test.
func (a *agent) pass(ctx context.Context) (time.Duration, error) {
	a.consider(ctx)
	if a.goal == nil {
		a.publish(nil, nil)
		return lookRest, nil
	}
	seen, facts := a.look(ctx)
	if a.watchMasters(ctx, seen) {
		seen, facts = a.look(ctx) // it took its time, and may have left a marker
	}
	outcome := converge.Plan(*a.goal, facts)
	a.checkMachine(ctx, facts, &outcome)
	a.tellRoles(seen)
	a.tellTroubles(seen)
	a.tellHeld(seen, outcome.Reasons)
	acted, err := a.act(ctx, outcome.Steps)
	if err != nil {
		return 0, err
	}
	a.heedClaims(ctx, seen)
	a.publish(seen, outcome.Reasons)
	if a.alert(seen) {
		return lookAlert, nil
	}
	return a.nextLook(acted, outcome), nil
}

// checkMachine holds back what is new until the machine has passed its preflight.
func (a *agent) checkMachine(ctx context.Context, facts converge.Facts, out *converge.Outcome) {
	reason, told := a.gate.hold(ctx, *a.goal, facts, out)
	if told {
		a.log.Error(reason)
		a.pub.Tell(fleet.Event{What: a.cfg.Node + " installs nothing new", Why: reason})
	}
}

func (a *agent) nextLook(acted bool, outcome converge.Outcome) time.Duration {
	forming := false
	for _, g := range a.goal.Instances {
		forming = forming || g.Seed != nil
	}
	if acted {
		a.acted = a.now()
	}
	switch {
	case acted:
		return lookForming
	case forming: // soon, but not for ever: a node may stay away for hours
		return min(max(lookForming, a.now().Sub(a.acted)/formingShare), lookWaiting)
	case len(outcome.Reasons) > 0:
		return lookWaiting
	default:
		return lookRest
	}
}

// look observes every assigned instance and keeps what must be remembered.
func (a *agent) look(ctx context.Context) (map[fleet.InstanceID]observe.Seen, converge.Facts) {
	seen := map[fleet.InstanceID]observe.Seen{}
	facts := converge.Facts{Now: a.now(), Instances: map[fleet.InstanceID]converge.Instance{}}
	for _, g := range a.goal.Instances {
		a.notify.Alive() // each look has deadlines of its own
		password, err := a.password(ctx, g)
		if err != nil {
			s := observe.Seen{Facts: converge.Instance{Problem: err.Error()}, Answer: err.Error()}
			seen[g.ID], facts.Instances[g.ID] = s, s.Facts
			continue
		}
		s := a.observer.Look(ctx, g, password)
		a.remember(ctx, g, &s)
		s.Drift = a.drift(ctx, g, s, password)
		seen[g.ID], facts.Instances[g.ID] = s, s.Facts
	}
	return seen, facts
}

// afresh decides a start anew that other instances, or a machine that stood still,
// kept waiting: one look at this instance alone is fresh again however many there
// are. Where it is not to start any more the step comes back as it was, and package
// apply refuses it.
func (a *agent) afresh(ctx context.Context, s converge.Step) converge.Step {
	goal := *a.goal
	goal.Instances = slices.DeleteFunc(slices.Clone(goal.Instances), func(g fleet.InstanceGoal) bool { return g.ID != s.Instance })
	for _, g := range goal.Instances {
		password, err := a.password(ctx, g)
		if err != nil {
			return s
		}
		now := a.observer.Look(ctx, g, password)
		facts := converge.Facts{Now: a.now(), Instances: map[fleet.InstanceID]converge.Instance{g.ID: now.Facts}}
		for _, again := range converge.Plan(goal, facts).Steps {
			if again.Kind == s.Kind {
				return again
			}
		}
	}
	return s
}

// drift compares a running server with what is rendered for it. A template that
// cannot be rendered any more is reported where it counts, at the next start.
func (a *agent) drift(ctx context.Context, g fleet.InstanceGoal, s observe.Seen, password secret.Password) []string {
	if s.Info == nil || s.Info.Loading || s.Unmoved {
		return nil
	}
	if a.expected[g.ID] == nil {
		expected, err := a.applier.Expected(apply.Target{Goal: g, Password: password})
		if err != nil {
			return nil
		}
		a.expected[g.ID] = expected
	}
	return a.observer.Drift(ctx, g.ID, a.expected[g.ID])
}

// remember keeps outside of the data folder what a later start must know:
// whether the instance held data, and of which lineage (no-empty-master).
func (a *agent) remember(ctx context.Context, g fleet.InstanceGoal, s *observe.Seen) {
	if s.Info == nil || s.Info.Loading || s.Facts.Problem != "" {
		return
	}
	note := func(m *converge.Memory) {
		m.HadData, m.ReplID = keys(*s) > 0, s.Info.ReplID
		m.Lineages = m.Lineages.With(s.Info.ReplID2, s.FileLineage, s.Info.ReplID)
		m.Served = m.Served || g.Seed == nil
		m.Boot = s.Facts.Boot
		m.Retried = m.Retried && s.Info.Uptime < trustedAfter
		if s.EmptyMark != "" {
			m.EmptyMark = s.EmptyMark
		}
	}
	m := s.Facts.Memory
	if note(&m); m == s.Facts.Memory {
		return
	}
	err := a.effects.Do(ctx, LabelMemory, func(context.Context) (err error) {
		m, err = state.UpdateInstance(a.store, g.ID, note)
		return err
	})
	if err != nil {
		a.log.WithError(err).Warn("the agent could not keep what it saw")
		return
	}
	s.Facts.Memory = m
}

// keys counts an instance's keys without redfleet's own probe.
func keys(s observe.Seen) int64 {
	n := s.Info.Keys
	if s.ProbeSeen != "" {
		n--
	}
	return n
}

// act carries the steps out, one after the other. A step that fails is left
// alone for a moment; the others go on.
func (a *agent) act(ctx context.Context, steps []converge.Step) (acted bool, err error) {
	for _, s := range steps {
		if f, ok := a.failed[s.Instance]; ok && a.now().Before(f.until) {
			continue
		}
		delete(a.failed, s.Instance)
		a.notify.Alive()
		if s.Stale(a.now()) && !a.applier.UnitsFence {
			s = a.afresh(ctx, s)
		}
		err := a.do(ctx, s)
		if errors.Is(err, apply.ErrStale) { // a disk that is slow takes what is written once
			again := a.afresh(ctx, s)
			again.Prepared = s.SameStart(again)
			err = a.do(ctx, again)
		}
		switch {
		case err == nil:
			acted = true
		case errors.Is(err, systemd.ErrUnderWay): // the next look tells how far it is
		case ctx.Err() != nil, errors.Is(err, context.Canceled):
			return acted, nil
		default:
			a.log.WithError(err).WithField("instance", s.Instance).Warnf("%s failed", s.Kind)
			a.failed[s.Instance] = failure{text: string(s.Kind) + " failed: " + err.Error(), until: a.now().Add(retryFailed)}
		}
	}
	return acted, nil
}
