package consul

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// leaseStore is what a lease needs of Consul.
type leaseStore interface {
	CreateSession(ctx context.Context, name string, ttl, lockDelay time.Duration) (string, error)
	RenewSession(ctx context.Context, id string) error
	DestroySession(ctx context.Context, id string) error
	Acquire(ctx context.Context, key string, val []byte, session string) (bool, error)
	Release(ctx context.Context, key string, val []byte, session string) (bool, error)
	WatchKey(ctx context.Context, key string, fn func(e Entry, found bool)) error
	Txn(ctx context.Context, ops ...Op) ([]Entry, error)
}

// Lease is a key that one process at a time holds through a session.
//
// It rests on three things, of which each would do alone: Consul gives the key to
// one session at a time; the holder stops by its own monotonic clock before its
// session can end; and each write carries CheckSession in its transaction, so that
// a holder that slept through both is refused (promise fenced-leader, hazard K3).
type Lease struct {
	store     leaseStore
	key       string
	value     []byte
	ttl       time.Duration
	lockDelay time.Duration
	jitter    Jitter
	onError   func(what string, err error)
}

// Lease makes a lease on key. value says who holds it, for people. ttl is the
// session's (Consul takes 10 s and more); after a crash the next one can hold it
// after at most twice the ttl and the lockDelay (hazard K1).
func (c *Client) Lease(key, value string, ttl, lockDelay time.Duration) *Lease {
	return &Lease{store: c, key: key, value: []byte(value), ttl: ttl, lockDelay: lockDelay, jitter: c.jitter, onError: c.onError}
}

// Run campaigns for the lease and calls f while it holds it.
//
// f's context ends when the lease is lost or can no longer be proven: at the
// latest a tenth of the ttl before the session can end. f must return then; Run
// campaigns again. When f returns although the lease holds, Run gives it up, so
// that the next one need not wait, and returns f's error. When ctx ends, Run gives
// the lease up and returns ctx's error. No goroutine outlives Run.
func (l *Lease) Run(ctx context.Context, f func(ctx context.Context, held *Held) error) error {
	retry := newBackoff(100*time.Millisecond, 5*time.Second, l.jitter, "campaign")
	failing := false
	for {
		held, err := l.campaign(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failing = true
			l.onError("campaigning for "+l.key, err)
			if !sleep(ctx, retry.NextBackOff()) {
				return ctx.Err()
			}
			continue
		}
		if failing {
			failing = false
			l.onError("campaigning for "+l.key, nil)
		}
		retry.Reset()
		err = l.hold(ctx, held, f)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, ErrLeaseLost):
			return err
		}
		l.onError("holding "+l.key, err)
	}
}

// hold runs f while the lease is renewed and watched. The error is ErrLeaseLost
// when the lease was lost first, else f's.
func (l *Lease) hold(ctx context.Context, held *Held, f func(context.Context, *Held) error) error {
	heldCtx, lose := context.WithCancelCause(ctx)
	fence := time.AfterFunc(time.Until(held.Deadline()), func() {
		lose(fmt.Errorf("%w: it could not be renewed in time", ErrLeaseLost))
	})
	defer fence.Stop()
	ended := make(chan struct{}, 2)
	go func() {
		lose(l.keepRenewed(heldCtx, held, fence))
		ended <- struct{}{}
	}()
	go func() {
		lose(l.watchHolder(heldCtx, held))
		ended <- struct{}{}
	}()
	err := f(heldCtx, held)
	lost := context.Cause(heldCtx)
	// Before the lease is given up: nothing that f left behind may pass a Guard.
	held.end()
	lose(nil)
	<-ended
	<-ended
	if errors.Is(lost, ErrLeaseLost) {
		l.giveUp(ctx, held.session, false)
		return lost
	}
	l.giveUp(ctx, held.session, true)
	return err
}

// keepRenewed renews at a third of the ttl, earlier by a random part so that
// coordinators do not beat in step, and moves the fence with each success. It
// returns the reason when the lease is lost. A key that was waited for, while a
// lock-delay ran or Consul was slow, leaves a session of which most is over: that one
// is renewed at once, or the lease would be lost again within it, which begins the
// next lock-delay.
func (l *Lease) keepRenewed(ctx context.Context, held *Held, fence *time.Timer) error {
	pause := func() time.Duration { return l.ttl/3 - l.jitter("renew", l.ttl/30+1) }
	retry := newBackoff(l.ttl/60, l.ttl/10, l.jitter, "renew")
	next := pause()
	if held.age() > l.ttl/3 {
		next = 0
	}
	failing := false
	for sleep(ctx, next) {
		// The ttl counts from when Consul hears of it, which is after now.
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, min(time.Until(held.Deadline()), l.ttl/4))
		err := l.store.RenewSession(limited, held.session)
		cancel()
		switch {
		case err == nil:
			held.extend(began)
			fence.Reset(time.Until(held.Deadline()))
			next = pause()
			retry.Reset()
			if failing {
				failing = false
				l.onError("renewing the lease "+l.key, nil)
			}
		case errors.Is(err, ErrSessionGone):
			return fmt.Errorf("%w: %w", ErrLeaseLost, err)
		case ctx.Err() != nil:
			return nil
		default:
			failing = true
			l.onError("renewing the lease "+l.key, err)
			next = retry.NextBackOff()
		}
	}
	return nil
}

// watchHolder notices at once what a renewal cannot see: that the key was
// released, deleted, or locked by another session while this session lives on.
func (l *Lease) watchHolder(ctx context.Context, held *Held) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// It ends with ctx only, so its error says nothing that the cause does not.
	_ = l.store.WatchKey(ctx, l.key, func(e Entry, found bool) {
		switch {
		case !found:
			stop(fmt.Errorf("%w: its key %s was deleted", ErrLeaseLost, l.key))
		case e.Session != held.session:
			stop(fmt.Errorf("%w: %s is held by %q", ErrLeaseLost, l.key, e.Session))
		}
	})
	return context.Cause(ctx)
}

// giveUp ends the session. A release before that spares the next one the
// lock-delay; after a loss the delay stays, since a write may be on its way.
// It works after ctx has ended too, for a short while.
func (l *Lease) giveUp(ctx context.Context, session string, release bool) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(2*time.Second, l.ttl/3))
	defer cancel()
	if release {
		if _, err := l.store.Release(limited, l.key, l.value, session); err != nil {
			l.onError("giving up the lease "+l.key, err)
		}
	}
	if err := l.store.DestroySession(limited, session); err != nil {
		l.onError("giving up the lease "+l.key, err)
	}
}
