// Package publish writes what an agent saw to Consul: its report, under a
// session that guards the node's name, and its services with their tags.
//
// Any error of Consul means "Consul is out": the newest report waits and is
// written when it is back; nothing on the node changes (promise fail-static).
package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// The labels of the publisher's effects.
const (
	LabelSession    effect.Label = "agent: make a Consul session"
	LabelTakeOver   effect.Label = "agent: end the session of its own earlier run"
	LabelReport     effect.Label = "agent: write the report"
	LabelRegister   effect.Label = "agent: register a service"
	LabelDeregister effect.Label = "agent: deregister a service"
	LabelEvents     effect.Label = "agent: record events"
	LabelRecovery   effect.Label = "agent: offer what it keeps to an empty Consul"
	LabelClaim      effect.Label = "agent: claim a group for a failover"
	LabelRelease    effect.Label = "agent: give the claim on a group up"
)

// Labels are all of them.
func Labels() []effect.Label {
	return []effect.Label{LabelSession, LabelTakeOver, LabelReport, LabelRegister, LabelDeregister, LabelEvents, LabelRecovery, LabelClaim, LabelRelease}
}

// Times of the publisher; their sum stays below 0.05 requests a second at rest.
const (
	sessionTTL   = 120 * time.Second
	renewEvery   = 40 * time.Second
	signEvery    = 90 * time.Second
	compareEvery = 300 * time.Second
	retryLeast   = 100 * time.Millisecond
	// retryMost, twice with its jitter, bounds how long after Consul is back its tags
	// may still be from before: 2 s.
	retryMost = time.Second
	// retryAnswered is the same where Consul answered, and the session was gone, or the
	// report's key not free yet: both pass in moments.
	retryAnswered = 250 * time.Millisecond
	// reportGap bounds how often a report that changes all the time is written.
	reportGap = 20 * time.Millisecond
)

// ErrNameTaken: another agent lives under this node's name (hazard M4).
var ErrNameTaken = errors.New("the node name is taken")

// Options is what a Publisher needs.
type Options struct {
	Client  *consul.Client
	Keys    fleet.Keys
	Fleet   string
	Node    string
	Address string
	Boot    string
	// Session is the session of the agent's earlier run; Keep stores a new one.
	Session string
	Keep    func(session string) error
	Effects effect.Runner
	Log     logrus.FieldLogger
	Now     func() time.Time
	// Random names the events; Jitter spreads what repeats.
	Random io.Reader
	Jitter consul.Jitter
}

// Publisher owns one node's report and services in Consul.
type Publisher struct {
	Options
	// names is Run's own.
	names ulid.MonotonicReader
	wake  chan struct{}
	// recheck asks for a look whether the session is still there.
	recheck chan struct{}
	// anew asks for everything to be written anew.
	anew chan struct{}

	mu       sync.Mutex
	report   *fleet.Report
	services []Service
	events   []fleet.Event
	recovery *fleet.Recovery
	// live is session, for those outside of Run.
	live string
	// failed is when Consul was last found to be out.
	failed time.Time

	// Owned by Run.
	session    string
	index      uint64
	written    *fleet.Report
	offered    *fleet.Recovery
	registered map[string]consul.Service
	compared   time.Time
	// renewed is when Consul was last found to have been out, to have gone back, or to
	// have ended the session: the catalog may lack what was registered before.
	renewed time.Time
}

// New gives a Publisher; nothing is written before Run.
func New(o Options) *Publisher {
	return &Publisher{Options: o, wake: make(chan struct{}, 1), recheck: make(chan struct{}, 1), anew: make(chan struct{}, 1),
		names: ulid.Monotonic(o.Random, 0), session: o.Session, live: o.Session}
}

// Publish hands over the newest report and services; older ones that were not
// written yet are dropped.
func (p *Publisher) Publish(r fleet.Report, services []Service) {
	p.mu.Lock()
	known := p.report != nil && sameReport(*p.report, r) && reflect.DeepEqual(p.services, services) && len(p.events) == 0
	p.report, p.services = &r, services
	p.mu.Unlock()
	if known {
		return // the sign of life has a timer of its own
	}
	p.wakeUp()
}

// wakeUp has Run write what is new.
func (p *Publisher) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Recheck has the session renewed now instead of at its time, because something
// hints that Consul lost it; where it did, everything is written anew.
func (p *Publisher) Recheck() {
	select {
	case p.recheck <- struct{}{}:
	default:
	}
}

// Out tells that Consul failed elsewhere in the agent: the services are registered
// again once it answers.
func (p *Publisher) Out() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = p.Now()
}

// outSince tells whether Consul was out since the services were last renewed.
func (p *Publisher) outSince() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.failed.IsZero() && !p.failed.Before(p.renewed)
}

// Anew has report, services and what is offered written again though nothing changed, because
// Consul's records went back in time: they are what this agent wrote long ago (K5).
func (p *Publisher) Anew() {
	select {
	case p.anew <- struct{}{}:
	default:
	}
}

// keepEvents bounds the events that wait while Consul is out; the oldest go.
const keepEvents = 50

// Tell hands over an event for the fleet's history.
func (p *Publisher) Tell(e fleet.Event) {
	e.At, e.Who, e.Node = p.Now(), "agent "+p.Node, p.Node
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	p.events = p.events[max(0, len(p.events)-keepEvents):]
}

// Run writes until ctx ends or the name turns out to be taken (ErrNameTaken).
func (p *Publisher) Run(ctx context.Context) error {
	renew := time.NewTicker(renewEvery + p.Jitter("renew", renewEvery/20))
	defer renew.Stop()
	again := time.NewTimer(signEvery)
	defer again.Stop()
	wait, outage := retryLeast, false
	tell := consul.Once(p.hear)
	for {
		ask, more := p.await(ctx, renew.C, again.C)
		if !more {
			return nil
		}
		if ask.renew && p.renew(ctx) { // whether the session is still there is asked before it is written under
			// Consul answers: what waits is written now.
			ask.news = ask.news || outage || p.session == "" || p.outSince()
			outage = false
		}
		if ask.anew {
			p.written, p.offered, p.registered, p.renewed = nil, nil, nil, p.Now()
		}
		// What is new is no reason to ask a Consul that is out any sooner.
		if due := ask.again || ask.news && !outage; !due || !p.handed() {
			continue
		}
		switch err := p.write(ctx); {
		case errors.Is(err, ErrNameTaken):
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil:
			tell("reporting", err)
			outage = true
			if errors.Is(err, consul.ErrOut) {
				p.Out()
			} else if !errors.Is(err, consul.ErrDenied) {
				wait = min(wait, retryAnswered)
			}
			again.Reset(wait + p.Jitter("report", wait))
			wait = min(2*wait, retryMost)
			continue
		}
		tell("reporting", nil)
		wait, outage = retryLeast, false
		again.Reset(signEvery)
		pause(ctx, reportGap)
	}
}

// asked is what Run has to do next: renew the session, forget what it knows to be
// written, write what is new, or try again after an outage.
type asked struct{ renew, anew, news, again bool }

// await waits until there is something to do, and takes all that there is: what is
// asked for at one time is done in one order, and written once. It gives false when
// ctx ended.
func (p *Publisher) await(ctx context.Context, renew, again <-chan time.Time) (asked, bool) {
	var a asked
	select {
	case <-ctx.Done():
		return a, false
	case <-renew:
		a.renew = true
	case <-p.recheck:
		a.renew = true
	case <-p.anew:
		a.anew = true
	case <-p.wake:
		a.news = true
	case <-again:
		a.again = true
	}
	a.renew = taken(renew) || a.renew
	a.renew = taken(p.recheck) || a.renew
	a.anew = taken(p.anew) || a.anew
	a.news = taken(p.wake) || a.news || a.anew
	a.again = taken(again) || a.again
	return a, true
}

// taken takes what is in a channel already.
func taken[T any](ch <-chan T) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// hear logs when reports and services cannot be written, and when they can again.
func (p *Publisher) hear(what string, err error) {
	if err == nil {
		p.Log.Infof("%s works again", what)
		return
	}
	p.Log.WithError(err).Warnf("%s failed and is tried again; the node goes on as it is", what)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// renew tells whether Consul answered. A session that has ended is forgotten.
func (p *Publisher) renew(ctx context.Context) bool {
	if p.session == "" {
		return false
	}
	err := p.Client.RenewSession(ctx, p.session)
	switch {
	case errors.Is(err, consul.ErrSessionGone):
		p.forgetSession()
	case err != nil:
		p.Out()
		p.Log.WithError(err).Warn("the node's session was not renewed; Consul is out")
		return false
	}
	return true
}

// forgetSession makes the next write start over: with a new session, and with the
// services, which went from the catalog too where Consul forgot this node (hazard
// K5), as what was offered may have. What is watched is looked at anew, since Consul may
// have lost its state with the session (K4).
func (p *Publisher) forgetSession() {
	p.setSession("")
	p.renewed = p.Now()
	p.index, p.written, p.offered, p.registered = 0, nil, nil, nil
	p.Client.LookAgain()
}

func (p *Publisher) setSession(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session, p.live = id, id
}

// Session is the session that guards the node's name; empty while there is none.
func (p *Publisher) Session() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live
}

// handed: there is a report to write. Before the first one nothing is written, and
// nothing waited for after it.
func (p *Publisher) handed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.report != nil
}

func (p *Publisher) write(ctx context.Context) error {
	p.mu.Lock()
	report, services, recovery := p.report, p.services, p.recovery
	p.mu.Unlock()
	if err := p.writeReport(ctx, *report); err != nil {
		return err
	}
	if p.outSince() {
		p.renewed = p.Now() // where it is out still, writing fails, and they come again
	}
	if err := p.writeServices(ctx, services); err != nil {
		return err
	}
	if err := p.writeEvents(ctx); err != nil {
		return err
	}
	return p.writeRecovery(ctx, recovery)
}

// sameReport compares all but the time.
func sameReport(a, b fleet.Report) bool {
	a.At, b.At = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

func (p *Publisher) taken(holder fleet.Report) error {
	return fmt.Errorf("%w: an agent at %s (machine %s) already reports as node %q, and this one is at %s: "+
		"give one of them another name in its agent.toml, or stop it; a name of an agent that is gone is free again within 4 minutes",
		ErrNameTaken, holder.Address, holder.MachineID, p.Node, p.Address)
}
