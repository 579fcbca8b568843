package consultest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
)

func leaseCases() map[string]func(*testing.T, *env) {
	return map[string]func(*testing.T, *env){
		"is held at once and given up without a lock-delay":     leaseGivenUp,
		"a frozen holder's write is refused after a takeover":   leaseFenced,
		"is lost at once when its key is deleted":               leaseKeyDeleted,
		"the end of its context gives it up":                    leaseContextEnds,
		"campaigners never interleave their writes under chaos": leaseChaos,
	}
}

func (e *env) lease(who string, lockDelay time.Duration) *consul.Lease {
	return e.Lease(e.key("lease"), who, e.opts.TTL, lockDelay)
}

func leaseGivenUp(t *testing.T, e *env) {
	began := time.Now()
	done := errors.New("done")
	for _, who := range []string{"c1", "c2"} {
		err := e.lease(who, time.Minute).Run(t.Context(), func(ctx context.Context, held *consul.Held) error {
			if _, err := held.Txn(ctx, consul.Set(e.key("goal"), []byte(who))); err != nil {
				t.Errorf("%s writes: %v", who, err)
			}
			e.wantValue(t, e.key("lease"), who)
			return done
		})
		if !errors.Is(err, done) {
			t.Fatalf("%s: error %v, want that of the function", who, err)
		}
	}
	e.wantValue(t, e.key("goal"), "c2")
	if took := time.Since(began); took > soon {
		t.Errorf("two terms took %v", took)
	}
}

// leaseFenced is a holder that sleeps through the end of its lease with a
// transaction in its hands, as a stopped virtual machine does: it checked that it
// holds the lease, then slept, then wrote.
func leaseFenced(t *testing.T, e *env) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	frozen := make(chan *consul.Held)
	thaw := make(chan struct{})
	lost := make(chan error, 1)
	first := async(func() error {
		return e.lease("frozen", 0).Run(ctx, func(ctx context.Context, held *consul.Held) error {
			guard, err := held.Guard()
			if err != nil {
				return err
			}
			frozen <- held
			<-thaw
			// It has not heard of the loss: the context that it uses is another one.
			_, err = e.Txn(context.WithoutCancel(ctx), guard, consul.Set(e.key("goal"), []byte("frozen")))
			lost <- err
			cancel()
			return err
		})
	})
	held := <-frozen
	other := e.newClient(t)
	if err := other.DestroySession(t.Context(), held.Session()); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("second is done")
	err := other.Lease(e.key("lease"), "second", e.opts.TTL, 0).Run(t.Context(),
		func(ctx context.Context, held *consul.Held) error {
			if _, err := held.Txn(ctx, consul.Set(e.key("goal"), []byte("second"))); err != nil {
				t.Errorf("the second one writes: %v", err)
			}
			close(thaw)
			if err := <-lost; !errors.Is(err, consul.ErrLeaseLost) || !errors.Is(err, consul.ErrConflict) {
				t.Errorf("the frozen one's write: error %v, want a lost lease", err)
			}
			return stop
		})
	if !errors.Is(err, stop) {
		t.Errorf("second: %v", err)
	}
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
	if _, err := held.Guard(); !errors.Is(err, consul.ErrLeaseLost) {
		t.Errorf("a guard after the term: %v", err)
	}
	e.wantValue(t, e.key("goal"), "second")
}

func leaseKeyDeleted(t *testing.T, e *env) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	terms := 0
	err := e.lease("c1", 0).Run(ctx, func(ctx context.Context, _ *consul.Held) error {
		terms++
		if terms == 2 {
			cancel()
			return nil
		}
		// Not with ctx: it may end before the answer is here.
		if _, err := e.Txn(t.Context(), consul.Delete(e.key("lease"))); err != nil {
			t.Errorf("deleting: %v", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(soon):
			t.Error("the holder does not notice that its key is gone")
		}
		if err := context.Cause(ctx); !errors.Is(err, consul.ErrLeaseLost) {
			t.Errorf("the context ended by %v", err)
		}
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || terms != 2 {
		t.Errorf("%d terms, error %v; want a second term after the loss", terms, err)
	}
}

func leaseContextEnds(t *testing.T, e *env) {
	ctx, cancel := context.WithCancel(t.Context())
	var session string
	err := e.lease("c1", time.Minute).Run(ctx, func(ctx context.Context, held *consul.Held) error {
		session = held.Session()
		cancel()
		<-ctx.Done()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, found, err := e.ReadSession(t.Context(), session); found || err != nil {
		t.Errorf("its session is still there: %v, error %v", found, err)
	}
	acquire(t, e, e.key("lease"), e.session(t, 0), true)
}

// leaseChaos lets several campaigners write under the lease while somebody ends
// their sessions. Each write that succeeded has a place in Consul's own order, its
// index; in that order the terms must never go back (promise fenced-leader).
func leaseChaos(t *testing.T, e *env) {
	const wantTerms = 12
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log writeLog
	var all []<-chan error
	for i := range 3 {
		client, who := e.newClient(t), "c"+strconv.Itoa(i)
		lease := client.Lease(e.key("lease"), who, e.opts.TTL, 0)
		all = append(all, async(func() error {
			return lease.Run(ctx, func(ctx context.Context, held *consul.Held) error {
				return e.term(ctx, client, held, &log)
			})
		}))
	}
	killer := e.newClient(t)
	Eventually(t, 30*time.Second, func() (bool, string) {
		entry, _, err := killer.Get(ctx, e.key("lease"))
		if err == nil && entry.Session != "" && log.grown() {
			err = killer.DestroySession(ctx, entry.Session)
		}
		return log.terms() >= wantTerms, name("%d terms, last error %v", log.terms(), err)
	})
	cancel()
	for _, ended := range all {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a campaigner ended with %v", err)
		}
	}
	log.check(t)
}

// term makes itself a number under the guard and writes until the lease is lost,
// with a guard that it took before each pause.
func (e *env) term(ctx context.Context, client *consul.Client, held *consul.Held, log *writeLog) error {
	guard, err := held.Guard()
	if err != nil {
		return err
	}
	// From here on without ctx: the fence alone must stop it.
	blind := context.WithoutCancel(ctx)
	entry, _, err := client.Get(blind, e.key("term"))
	if err != nil {
		return err
	}
	number, _ := strconv.Atoi(string(entry.Value))
	number++
	_, err = client.Txn(blind, guard, consul.CAS(e.key("term"), []byte(strconv.Itoa(number)), entry.Index))
	for n := 0; err == nil; n++ {
		var res []consul.Entry
		res, err = client.Txn(blind, guard, consul.Set(e.key("data"), fmt.Appendf(nil, "%d:%d", number, n)))
		if err == nil {
			log.add(res[1].Index, number)
		}
	}
	// A lost race for the number is a lost lease as well: only holders write it.
	if !errors.Is(err, consul.ErrConflict) && !errors.Is(err, consul.ErrOut) {
		return err
	}
	<-ctx.Done()
	return err
}

// writeLog has the successful writes of all campaigners.
type writeLog struct {
	mu     sync.Mutex
	writes []loggedWrite
	seen   int
}

type loggedWrite struct {
	index uint64
	term  int
}

func (l *writeLog) add(index uint64, term int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, loggedWrite{index, term})
}

// grown tells whether anything was written since it was asked last.
func (l *writeLog) grown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	more := len(l.writes) > l.seen
	l.seen = len(l.writes)
	return more
}

func (l *writeLog) terms() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	terms := map[int]bool{}
	for _, w := range l.writes {
		terms[w.term] = true
	}
	return len(terms)
}

func (l *writeLog) check(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortFunc(l.writes, func(a, b loggedWrite) int { return cmp.Compare(a.index, b.index) })
	for i := 1; i < len(l.writes); i++ {
		if a, b := l.writes[i-1], l.writes[i]; b.term < a.term {
			t.Fatalf("after term %d wrote at index %d, term %d still wrote at %d", a.term, a.index, b.term, b.index)
		}
	}
	t.Logf("%d writes, none out of its term", len(l.writes))
}

func async(do func() error) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	return ended
}
