package coordinator

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/systemd"
)

const (
	// restGap keeps a large fleet's reports from making one pass each.
	restGap = 200 * time.Millisecond
	// retryGap is the wait after a write that Consul refused or did not answer.
	retryGap = 250 * time.Millisecond
	// catchUp is how long the watch may take to show a write of our own.
	catchUp = 2 * time.Second
	// lookAgain bounds how long a verdict that depends on age can go unseen.
	lookAgain = 15 * time.Second
)

// daemon is one coordinator process.
type daemon struct {
	name    string
	fleet   string
	keys    fleet.Keys
	client  *consul.Client
	key     secret.Key
	effects effect.Runner
	log     logrus.FieldLogger
	now     func() time.Time
	mint    plan.Mint
	random  io.Reader
	// ids names events in the order of their times; it is the loop's own.
	ids    ulid.MonotonicReader
	notify systemd.Notifier
	leads  atomic.Bool
	// forgetGap is Options.ForgetGap.
	forgetGap time.Duration
	horizon   horizon
}

// term is one time of leading: from getting the lease to losing it.
type term struct {
	*daemon
	held *consul.Held
	// written is the highest Consul index of this term's own writes: records
	// older than that are not planned upon.
	written uint64
	// wroteAt is when written moved last.
	wroteAt time.Time
	// control is the index of the control record that the pass goes by.
	control uint64
	// doubt: a write failed, and may have happened all the same.
	doubt bool
	// due are events that Consul has not taken yet.
	due []consul.Op
	// seen are the last verdicts, so that an event tells each change once.
	seen   map[string]fleet.Assessment
	halted string
	// refused says, by group, why it is not formed, so that it is told once.
	refused map[string]string
	// tokens are since when this term knows each token of a sentinel's forgetting.
	tokens map[string]time.Time
	// requests: one is not done yet.
	requests bool
}

// lead plans and writes until ctx ends, which it does before the lease can.
func (d *daemon) lead(ctx context.Context, held *consul.Held) error {
	t := &term{daemon: d, held: held, seen: map[string]fleet.Assessment{}, refused: map[string]string{}, tokens: map[string]time.Time{}}
	updates := make(chan []consul.Entry, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan error, 1)
	go func() {
		watched <- d.client.WatchPrefix(ctx, d.keys.Prefix(), func(entries []consul.Entry) { replace(updates, entries) })
	}()
	err := t.loop(ctx, updates)
	cancel()
	<-watched
	return err
}

// replace puts the newest value into a channel of one place.
func replace(ch chan []consul.Entry, entries []consul.Entry) {
	for {
		select {
		case ch <- entries:
			return
		default:
		}
		select {
		case <-ch:
		default:
		}
	}
}

func (t *term) loop(ctx context.Context, updates <-chan []consul.Entry) error {
	var entries []consul.Entry
	look := time.NewTimer(lookAgain)
	defer look.Stop()
	feed := time.NewTicker(feedEvery)
	defer feed.Stop()
	for {
		wait := lookAgain
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-feed.C:
			t.notify.Alive()
			continue
		case entries = <-updates:
		case <-look.C:
			select { // never by older records than those that are there
			case entries = <-updates:
			default:
			}
		}
		settled, err := t.pass(ctx, entries)
		t.notify.Alive()
		t.notify.Status(t.statusLine())
		switch {
		case errors.Is(err, consul.ErrLeaseLost), ctx.Err() != nil:
			return err
		case err != nil:
			t.log.WithError(err).Warn("a write to Consul failed; it is tried again")
			t.doubt, wait = true, retryGap
		case newest(entries) < t.written:
			wait = catchUp
		case t.requests:
			wait = requestLook
		case settled:
			if err := sleep(ctx, restGap); err != nil {
				return err
			}
		}
		look.Reset(wait)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// pass looks at the records once and writes what is due. It tells whether every
// group has come to rest.
func (t *term) pass(ctx context.Context, entries []consul.Entry) (settled bool, err error) {
	behind := newest(entries) < t.written
	switch {
	case behind && !t.doubt && t.now().Sub(t.wroteAt) < catchUp:
		return false, nil // the watch has not caught up with our own write
	case behind || t.doubt:
		if entries, err = t.readAnew(ctx); err != nil {
			return false, err
		}
	}
	t.control = indexOf(entries, t.keys.Control())
	w := records.WorldOf(t.fleet, entries, t.now())
	if t.horizon.look(w.Control, newest(entries)) {
		t.log.Warn("Consul's committed epoch is lower than this coordinator saw it: Consul was restored from an older snapshot")
	}
	formable, refused := t.formable(t.horizon.above(w))
	p := plan.Next(formable, t.mint)
	t.tellHalt(p.Halt)
	t.requests = len(request.Open(w)) > 0
	if p.Halt == "" && p.Empty() { // what a request changed is planned and written before it goes on
		if wrote, err := t.carryOut(ctx, entries, w); wrote || err != nil {
			return false, err
		}
	}
	if err := t.write(ctx, w, p); err != nil {
		return false, err
	}
	if err := t.makeKeys(ctx, entries, w, p); err != nil {
		return false, err
	}
	if err := t.record(ctx, append(t.verdicts(w), refused...)); err != nil {
		t.log.WithError(err).Warn("events were not recorded")
	}
	if err := errors.Join(t.prune(ctx, entries), t.removeOffered(ctx, entries, w)); err != nil {
		return false, err
	}
	if err := t.pruneRequests(ctx, w); err != nil {
		return false, err
	}
	return p.Empty() && allServing(w), nil
}

// readAnew asks Consul itself: after a write that failed, since it may have
// happened, and where the watch should long have shown our own write: after a
// restore from a snapshot the indexes begin below it (hazard K4), and it would be
// waited for in vain. What a watch shows later counts from there on.
func (t *term) readAnew(ctx context.Context) ([]consul.Entry, error) {
	entries, err := t.client.List(ctx, t.keys.Prefix())
	if err != nil {
		return nil, err
	}
	if newest(entries) < t.written {
		t.log.Warn("Consul no longer holds this coordinator's last write: it was restored from an older snapshot")
		t.horizon.restored = newest(entries)
	}
	t.doubt, t.written, t.wroteAt = false, newest(entries), t.now()
	return entries, nil
}

func indexOf(entries []consul.Entry, key string) uint64 {
	for _, e := range entries {
		if e.Key == key {
			return e.Index
		}
	}
	return 0
}

func newest(entries []consul.Entry) uint64 {
	var n uint64
	for _, e := range entries {
		n = max(n, e.Index)
	}
	return n
}

func allServing(w fleet.World) bool {
	for _, g := range w.Groups {
		if g.Phase != fleet.PhaseServing {
			return false
		}
	}
	return w.Spec == nil || len(w.Groups) >= len(w.Spec.Spec.Groups)
}

func (t *term) tellHalt(reason string) {
	if reason != "" && reason != t.halted {
		t.log.Error("nothing is written: " + reason)
	}
	t.halted = reason
}

// verdicts gives an event for each change of a group's state or master.
func (t *term) verdicts(w fleet.World) []fleet.Event {
	var events []fleet.Event
	for _, a := range assess.Fleet(w) {
		before, known := t.seen[a.Name]
		t.seen[a.Name] = a
		if known {
			events = append(events, changes(before, a, t.now())...)
		}
	}
	return events
}

func changes(before, after fleet.Assessment, now time.Time) []fleet.Event {
	var out []fleet.Event
	if before.State != after.State {
		out = append(out, fleet.Event{At: now, Group: after.Name,
			What: "state is " + string(after.State) + ", was " + string(before.State), Why: after.Reason})
	}
	if before.Master != nil && after.Master != nil && before.Master.Node != after.Master.Node {
		out = append(out, fleet.Event{At: now, Group: after.Name, Node: after.Master.Node,
			What: "master is " + after.Master.Node + ", was " + before.Master.Node, Why: "the sentinels' decision"})
	}
	return out
}
