package consul

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errHeld tells a campaign that another session was faster.
var errHeld = errors.New("another session holds it")

// campaign waits until the key is free and takes it. A waiting campaigner has no
// session, so it costs Consul one open request and nothing else.
func (l *Lease) campaign(ctx context.Context) (*Held, error) {
	for {
		if err := l.awaitFree(ctx); err != nil {
			return nil, err
		}
		// Counted from before the request: Consul's own count starts later.
		began := time.Now()
		session, err := l.store.CreateSession(ctx, "redfleet lease "+l.key, l.ttl, l.lockDelay)
		if err != nil {
			return nil, err
		}
		held := newHeld(l, session, began)
		err = l.take(ctx, held)
		if err == nil {
			return held, nil
		}
		l.giveUp(ctx, session, false)
		if !errors.Is(err, errHeld) {
			return nil, err
		}
	}
}

// awaitFree returns when no session holds the key; with the first answer, if that
// is so already.
func (l *Lease) awaitFree(ctx context.Context) error {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	free := false
	_ = l.store.WatchKey(waiting, l.key, func(e Entry, _ bool) {
		if e.Session == "" && !free {
			free = true
			stop()
		}
	})
	if free {
		return nil
	}
	return ctx.Err()
}

// take acquires the key with held's session. It tries again while a lock-delay
// runs and after an error that leaves open whether the key was taken: asking once
// more with the same session is safe, and says so. errHeld: another was faster.
func (l *Lease) take(ctx context.Context, held *Held) error {
	limited, cancel := context.WithDeadline(ctx, held.Deadline())
	defer cancel()
	retry := newBackoff(50*time.Millisecond, time.Second, l.jitter, "take")
	for {
		got, err := l.store.Acquire(limited, l.key, l.value, held.session)
		switch {
		case got:
			return nil
		case errors.Is(err, ErrSessionGone), errors.Is(err, ErrDenied):
			return err
		case err == nil:
			// Not free any more, or a lock-delay: only the key can tell.
			if err := l.heldByAnother(limited); err != nil {
				return err
			}
		}
		if !sleep(limited, retry.NextBackOff()+l.jitter("take", 20*time.Millisecond)) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return errors.Join(fmt.Errorf("acquiring %s: the session's time ran out first", l.key), err)
		}
	}
}

func (l *Lease) heldByAnother(ctx context.Context) error {
	looking, stop := context.WithCancel(ctx)
	defer stop()
	var holder string
	_ = l.store.WatchKey(looking, l.key, func(e Entry, _ bool) {
		holder = e.Session
		stop()
	})
	if holder != "" {
		return errHeld
	}
	return nil
}
