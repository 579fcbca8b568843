package consul

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const testTTL = 15 * time.Second

// TestLeaseFencesItself drives a lease in virtual time against a store that fails
// in one way each. The first term takes the lease at second 0.
func TestLeaseFencesItself(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		// fail changes the store after the lease was taken.
		fail func(s *fakeStore)
		// lost is within which time after the failure f's context must have ended.
		after, lost time.Duration
	}{
		"renewals are lost on the way": {
			fail: func(s *fakeStore) { s.renewError = ErrOut }, after: 0, lost: testTTL - time.Second,
		},
		"renewals hang": {
			fail: func(s *fakeStore) { s.renewHangs = true }, after: 0, lost: testTTL - time.Second,
		},
		"renewals are lost after some went well": {
			fail: func(s *fakeStore) { s.renewError = ErrOut }, after: time.Minute, lost: testTTL - time.Second,
		},
		"the session is gone": {
			fail: func(s *fakeStore) { s.renewError = ErrSessionGone }, after: 0, lost: testTTL/3 + time.Second,
		},
		"the key was deleted": {
			fail: func(s *fakeStore) { s.setKey(Entry{}, false) }, after: time.Second, lost: time.Millisecond,
		},
		"the key has another holder": {
			fail: func(s *fakeStore) { s.setKey(Entry{Session: "other"}, true) }, after: time.Second, lost: time.Millisecond,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				ctx, cancel := context.WithCancel(t.Context())
				err := s.lease().Run(ctx, func(termCtx context.Context, held *Held) error {
					defer cancel()
					time.Sleep(tt.after)
					s.with(func() { tt.fail(s) })
					lastRenewal := s.lastRenewal()
					failed := time.Now()
					<-termCtx.Done()
					if took := time.Since(failed); took > tt.lost {
						t.Errorf("lost after %v, want at most %v", took, tt.lost)
					}
					if age := time.Since(lastRenewal); age >= testTTL {
						t.Errorf("lost %v after the last renewal, when the session may have ended", age)
					}
					if cause := context.Cause(termCtx); !errors.Is(cause, ErrLeaseLost) {
						t.Errorf("the context ended by %v", cause)
					}
					return nil
				})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Run ended with %v", err)
				}
				if len(s.released) > 0 {
					t.Error("a lost lease was released: that would skip its lock-delay")
				}
			})
		})
	}
}

func TestGuardRefusesAfterTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		var held *Held
		ctx, cancel := context.WithCancel(t.Context())
		err := s.lease().Run(ctx, func(_ context.Context, h *Held) error {
			defer cancel()
			held = h
			if _, err := h.Guard(); err != nil {
				t.Errorf("while held: %v", err)
			}
			s.with(func() { s.renewError = ErrOut })
			// A process that was stopped: its clock went on, its timers had no say.
			time.Sleep(time.Until(h.Deadline()))
			if _, err := h.Guard(); !errors.Is(err, ErrLeaseLost) {
				t.Errorf("at the deadline: %v", err)
			}
			if _, err := h.Txn(t.Context(), Set("goal", nil)); !errors.Is(err, ErrLeaseLost) || s.txns > 0 {
				t.Errorf("a transaction after the deadline: %v, %d were sent", err, s.txns)
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
		if _, err := held.Guard(); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("after the term: %v", err)
		}
	})
}

func TestLeaseSurvivesABlip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		done := errors.New("done")
		err := s.lease().Run(t.Context(), func(ctx context.Context, held *Held) error {
			for range 20 {
				s.with(func() { s.renewError = ErrOut })
				time.Sleep(8 * time.Second)
				s.with(func() { s.renewError = nil })
				time.Sleep(8 * time.Second)
			}
			if ctx.Err() != nil {
				t.Errorf("lost: %v", context.Cause(ctx))
			}
			return done
		})
		if !errors.Is(err, done) {
			t.Errorf("Run ended with %v", err)
		}
		if len(s.released) != 1 || len(s.sessions) > 0 {
			t.Errorf("released %v, sessions left %v; want the lease given up", s.released, s.sessions)
		}
	})
}

func TestLeaseRenewsAtAThirdOfItsTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		done := errors.New("done")
		if err := s.lease().Run(t.Context(), func(context.Context, *Held) error {
			time.Sleep(10 * time.Minute)
			return done
		}); !errors.Is(err, done) {
			t.Errorf("Run ended with %v", err)
		}
		// 600 s: every 5 s, up to a tenth earlier.
		if n := s.renewals; n < 119 || n > 135 {
			t.Errorf("%d renewals in ten minutes", n)
		}
	})
}

func TestCampaign(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(s *fakeStore)
		// at most so much time passes, and so many sessions are made, until the
		// lease is held.
		within   time.Duration
		sessions int
	}{
		"free":             {func(*fakeStore) {}, 0, 1},
		"held for a while": {func(s *fakeStore) { s.setKey(Entry{Session: "x"}, true); s.freeAfter(time.Hour) }, time.Hour + time.Second, 1},
		"lock-delay":       {func(s *fakeStore) { s.delay = time.Now().Add(5 * time.Second) }, 7 * time.Second, 1},
		"a long lock-delay outlives a session": {
			func(s *fakeStore) { s.delay = time.Now().Add(time.Minute) }, 65 * time.Second, 6,
		},
		"the answer to the acquire was lost": {func(s *fakeStore) { s.acquireAnswersLost = 2 }, 2 * time.Second, 1},
		"Consul is out at first":             {func(s *fakeStore) { s.createErrors = 3 }, 5 * time.Second, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				tt.prepare(s)
				began := time.Now()
				done := errors.New("done")
				err := s.lease().Run(t.Context(), func(context.Context, *Held) error { return done })
				if !errors.Is(err, done) {
					t.Fatalf("Run ended with %v", err)
				}
				if took := time.Since(began); took > tt.within {
					t.Errorf("held after %v, want %v at most", took, tt.within)
				}
				if s.created > tt.sessions {
					t.Errorf("%d sessions were made, want %d at most", s.created, tt.sessions)
				}
				if len(s.sessions) > 0 {
					t.Errorf("sessions left behind: %v", s.sessions)
				}
			})
		})
	}
}

// fakeStore is a Consul that can be made to fail at one point.
type fakeStore struct {
	mu      sync.Mutex
	key     Entry
	found   bool
	changed chan struct{}

	sessions map[string]bool
	created  int
	renewals int
	renewed  time.Time
	released []string
	txns     int

	renewError         error
	renewHangs         bool
	delay              time.Time
	acquireAnswersLost int
	createErrors       int
}

func newFakeStore() *fakeStore {
	return &fakeStore{sessions: map[string]bool{}, changed: make(chan struct{}), found: true}
}

func (s *fakeStore) lease() *Lease {
	return &Lease{
		store: s, key: "lease", value: []byte("c1"), ttl: testTTL, lockDelay: time.Second,
		jitter: RandomJitter, onError: func(string, error) {},
	}
}

func (s *fakeStore) with(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// setKey is for a caller that holds mu, or before the lease runs.
func (s *fakeStore) setKey(e Entry, found bool) {
	s.key, s.found = e, found
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *fakeStore) freeAfter(d time.Duration) {
	time.AfterFunc(d, func() { s.with(func() { s.setKey(Entry{}, true) }) })
}

func (s *fakeStore) lastRenewal() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewed
}

func (s *fakeStore) CreateSession(context.Context, string, time.Duration, time.Duration) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.createErrors > 0 {
		s.createErrors--
		return "", ErrOut
	}
	s.created++
	s.renewed = time.Now()
	id := fmt.Sprintf("s%d", s.created)
	s.sessions[id] = true
	return id, nil
}

func (s *fakeStore) RenewSession(ctx context.Context, _ string) error {
	s.mu.Lock()
	hangs, err := s.renewHangs, s.renewError
	s.renewals++
	if err == nil && !hangs {
		s.renewed = time.Now()
	}
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ErrOut
	}
	return err
}

func (s *fakeStore) DestroySession(_ context.Context, id string) error {
	s.with(func() { delete(s.sessions, id) })
	return nil
}

func (s *fakeStore) Acquire(_ context.Context, _ string, _ []byte, session string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.delay) || s.key.Session != "" && s.key.Session != session {
		return false, nil
	}
	if s.key.Session == "" {
		s.setKey(Entry{Session: session}, true)
	}
	if s.acquireAnswersLost > 0 {
		s.acquireAnswersLost--
		return false, ErrOut
	}
	return true, nil
}

func (s *fakeStore) Release(_ context.Context, _ string, _ []byte, session string) (bool, error) {
	s.with(func() {
		s.released = append(s.released, session)
		s.setKey(Entry{}, true)
	})
	return true, nil
}

func (s *fakeStore) Txn(_ context.Context, ops ...Op) ([]Entry, error) {
	s.with(func() { s.txns++ })
	return make([]Entry, len(ops)), nil
}

func (s *fakeStore) WatchKey(ctx context.Context, _ string, fn func(Entry, bool)) error {
	for ctx.Err() == nil {
		s.mu.Lock()
		key, found, changed := s.key, s.found, s.changed
		s.mu.Unlock()
		fn(key, found)
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
