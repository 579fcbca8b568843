package consul

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Held is a lease while it is held. It is safe for concurrent use.
type Held struct {
	store   leaseStore
	key     string
	session string
	ttl     time.Duration

	mu sync.Mutex
	// renewed is when the last successful request for the session began.
	renewed  time.Time
	deadline time.Time
	ended    bool
}

func newHeld(l *Lease, session string, began time.Time) *Held {
	h := &Held{store: l.store, key: l.key, session: session, ttl: l.ttl}
	h.extend(began)
	return h
}

// extend counts from the moment at which the last successful request began. The
// tenth that is left out is for what lies between a check and its effect.
func (h *Held) extend(began time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.renewed, h.deadline = began, began.Add(h.ttl-h.ttl/10)
}

// age is how long ago the session was made or renewed.
func (h *Held) age() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.renewed)
}

func (h *Held) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
}

// Session is the id of the session that holds the lease.
func (h *Held) Session() string { return h.session }

// Deadline is until when the lease is held for certain if no renewal succeeds. It
// carries a reading of the monotonic clock (hazard M6).
func (h *Held) Deadline() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.deadline
}

// Guard gives the condition to put into each transaction under the lease. It
// refuses with ErrLeaseLost once the deadline is past or the lease was given up.
func (h *Held) Guard() (Op, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return Op{}, fmt.Errorf("%w: it was given up", ErrLeaseLost)
	}
	if late := time.Since(h.deadline); late >= 0 {
		return Op{}, fmt.Errorf("%w: not renewed in time, %v ago", ErrLeaseLost, late.Round(time.Millisecond))
	}
	return CheckSession(h.key, h.session), nil
}

// Txn is Client.Txn under the lease: all steps happen while it is held, or none.
// The result has one entry for each of ops; a *ConflictError counts the guard as
// the first step. With room for the guard, 127 steps fit.
func (h *Held) Txn(ctx context.Context, ops ...Op) ([]Entry, error) {
	guard, err := h.Guard()
	if err != nil {
		return nil, err
	}
	entries, err := h.store.Txn(ctx, append([]Op{guard}, ops...)...)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	return entries[1:], nil
}
