package consul

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
		// says is part of the reason.
		says string
	}{
		"renewals are lost on the way": {
			fail: func(s *fakeStore) { s.renewError = ErrOut }, after: 0, lost: testTTL - time.Second, says: "in time",
		},
		"renewals hang": {
			fail: func(s *fakeStore) { s.renewHangs = true }, after: 0, lost: testTTL - time.Second,
		},
		"renewals are lost after some went well": {
			fail: func(s *fakeStore) { s.renewError = ErrOut }, after: time.Minute, lost: testTTL - time.Second,
		},
		"the session is gone": {
			fail: func(s *fakeStore) { s.renewError = ErrSessionGone }, after: 0, lost: testTTL/3 + time.Second, says: "session",
		},
		"the key was deleted": {
			fail: func(s *fakeStore) { s.setKey(Entry{}, false) }, after: time.Second, lost: time.Millisecond, says: "was deleted",
		},
		"the key has another holder": {
			fail: func(s *fakeStore) { s.setKey(Entry{Session: "other"}, true) }, after: time.Second, lost: time.Millisecond, says: `held by "other"`,
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
					if cause := context.Cause(termCtx); !errors.Is(cause, ErrLeaseLost) || !strings.Contains(cause.Error(), tt.says) {
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

// TestLeaseSurvivesABlip: what is survived in any case is the deadline (13.5 s)
// less the age of the last renewal (5 s) and the wait for the next try (2.25 s).
func TestLeaseSurvivesABlip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		done := errors.New("done")
		err := s.lease().Run(t.Context(), func(ctx context.Context, held *Held) error {
			for range 20 {
				s.with(func() { s.renewError = ErrOut })
				time.Sleep(6 * time.Second)
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

// TestLeaseTakenLate: a key that is had only when most of its session is over is kept.
// The waits between two tries are the longest and the shortest that there are.
func TestLeaseTakenLate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		delay  time.Duration
		jitter Jitter
	}{
		"after a lock-delay":                   {12 * time.Second, func(string, time.Duration) time.Duration { return 0 }},
		"with hardly anything left":            {13 * time.Second, func(string, time.Duration) time.Duration { return 0 }},
		"after a lock-delay, with long pauses": {11 * time.Second, func(_ string, most time.Duration) time.Duration { return most - 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				s.delay = time.Now().Add(tt.delay)
				l := s.lease()
				l.jitter = tt.jitter
				ctx, cancel := context.WithCancel(t.Context())
				var lost error
				_ = l.Run(ctx, func(ctx context.Context, held *Held) error {
					if age := held.age(); age <= testTTL/3 {
						t.Errorf("it was taken after %v, which shows nothing", age)
					}
					time.Sleep(time.Minute)
					lost = context.Cause(ctx)
					cancel()
					return nil
				})
				if lost != nil || s.created != 1 {
					t.Errorf("%d sessions, lost: %v", s.created, lost)
				}
			})
		})
	}
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
				err := s.lease().Run(t.Context(), func(_ context.Context, held *Held) error {
					if s.key.Session != held.Session() {
						t.Errorf("the term began while %q held the key", s.key.Session)
					}
					return done
				})
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

// TestCampaignWhoIsSlower: a campaigner that loses the race waits on, and that is
// no error that anybody hears of.
func TestCampaignWhoIsSlower(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.onCreate = func() {
			s.onCreate = nil
			s.setKey(Entry{Session: "faster"}, true)
			s.freeAfter(time.Hour)
		}
		done := errors.New("done")
		if err := s.lease().Run(t.Context(), func(context.Context, *Held) error { return done }); !errors.Is(err, done) {
			t.Fatal(err)
		}
		if s.created != 2 || len(s.sessions) > 0 || len(s.heard) > 0 {
			t.Errorf("%d sessions were made, %v are left, heard %v; want 2, none, nothing", s.created, s.sessions, s.heard)
		}
	})
}

// TestCampaignThatIsEnded makes no session any more.
func TestCampaignThatIsEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.setKey(Entry{Session: "other"}, true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := s.lease().Run(ctx, func(context.Context, *Held) error { return errors.New("led") })
		if !errors.Is(err, context.DeadlineExceeded) || s.created > 0 {
			t.Errorf("Run ended with %v after %d sessions", err, s.created)
		}
	})
}

// TestLeaseTellsEachOutage: errors while something fails, then once that it works
// again, and nothing where nothing failed.
func TestLeaseTellsEachOutage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare func(s *fakeStore)
		during  func(s *fakeStore)
	}{
		"campaigning": {func(s *fakeStore) { s.createErrors = 2 }, func(*fakeStore) {}},
		"renewing": {func(*fakeStore) {}, func(s *fakeStore) {
			s.with(func() { s.renewError = ErrOut })
			time.Sleep(6 * time.Second)
			s.with(func() { s.renewError = nil })
		}},
		// A renewal that hangs is given up in time for another try.
		"renewing, with requests that hang": {func(*fakeStore) {}, func(s *fakeStore) {
			time.Sleep(time.Until(s.lastRenewal().Add(testTTL/3 - testTTL/15)))
			s.with(func() { s.renewHangs = true })
			time.Sleep(4 * time.Second)
			s.with(func() { s.renewHangs = false })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				tt.prepare(s)
				done := errors.New("done")
				err := s.lease().Run(t.Context(), func(ctx context.Context, _ *Held) error {
					time.Sleep(time.Minute)
					tt.during(s)
					time.Sleep(time.Minute)
					return errors.Join(done, ctx.Err())
				})
				if !errors.Is(err, done) || errors.Is(err, context.Canceled) {
					t.Fatalf("Run ended with %v", err)
				}
				if n := len(s.heard); n < 2 || s.heard[n-1] != nil {
					t.Fatalf("heard %v; want errors, and last that it works again", s.heard)
				}
				for _, err := range s.heard[:len(s.heard)-1] {
					if err == nil {
						t.Errorf("heard %v: it works again more than once", s.heard)
					}
				}
			})
		})
	}
}

// TestLeaseGivesUpInTime: Consul that hangs holds up the end of a term for 2 s at
// most, and what failed is told.
func TestLeaseGivesUpInTime(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]bool{"fails": false, "hangs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				s.giveUpHangs, s.giveUpError = hangs, ErrOut
				done := errors.New("done")
				began := time.Now()
				if err := s.lease().Run(t.Context(), func(context.Context, *Held) error { return done }); !errors.Is(err, done) {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				if len(s.heard) != 2 || s.heard[0] == nil || s.heard[1] == nil {
					t.Errorf("heard %v; want the release's error and the session's", s.heard)
				}
			})
		})
	}
}

// TestLeaseEndsQuietly where nothing fails.
func TestLeaseEndsQuietly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		done := errors.New("done")
		if err := s.lease().Run(t.Context(), func(context.Context, *Held) error { time.Sleep(time.Minute); return done }); !errors.Is(err, done) {
			t.Fatal(err)
		}
		if len(s.heard) > 0 {
			t.Errorf("heard %v", s.heard)
		}
	})
}

// TestGuardedTxn: one entry for each step, without the guard's own; an error is
// handed on.
func TestGuardedTxn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		done := errors.New("done")
		err := s.lease().Run(t.Context(), func(ctx context.Context, held *Held) error {
			if entries, err := held.Txn(ctx, Set("a", nil), Set("b", nil)); err != nil || len(entries) != 2 {
				t.Errorf("%d entries, %v", len(entries), err)
			}
			s.txnEmpty = true
			if entries, err := held.Txn(ctx, Set("a", nil)); err != nil || len(entries) != 0 {
				t.Errorf("an empty answer: %d entries, %v", len(entries), err)
			}
			s.txnError = ErrOut
			if _, err := held.Txn(ctx, Set("a", nil)); !errors.Is(err, ErrOut) {
				t.Errorf("an error: %v", err)
			}
			return done
		})
		if !errors.Is(err, done) {
			t.Fatal(err)
		}
	})
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
	// onCreate happens beside the making of a session.
	onCreate func()
	// giveUpError and giveUpHangs are what a release and an end of a session meet.
	giveUpError error
	giveUpHangs bool
	txnError    error
	txnEmpty    bool
	// heard are the errors that the lease told; nil for "works again".
	heard []error
}

func newFakeStore() *fakeStore {
	return &fakeStore{sessions: map[string]bool{}, changed: make(chan struct{}), found: true}
}

func (s *fakeStore) lease() *Lease {
	return &Lease{
		store: s, key: "lease", value: []byte("c1"), ttl: testTTL, lockDelay: time.Second,
		jitter:  RandomJitter,
		onError: func(_ string, err error) { s.with(func() { s.heard = append(s.heard, err) }) },
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
	if s.onCreate != nil {
		s.onCreate()
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

func (s *fakeStore) DestroySession(ctx context.Context, id string) error {
	s.with(func() { delete(s.sessions, id) })
	return s.givenUp(ctx)
}

func (s *fakeStore) givenUp(ctx context.Context) error {
	if s.giveUpHangs {
		<-ctx.Done()
	}
	return s.giveUpError
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

func (s *fakeStore) Release(ctx context.Context, _ string, _ []byte, session string) (bool, error) {
	s.with(func() {
		s.released = append(s.released, session)
		s.setKey(Entry{}, true)
	})
	return true, s.givenUp(ctx)
}

func (s *fakeStore) Txn(_ context.Context, ops ...Op) ([]Entry, error) {
	s.with(func() { s.txns++ })
	if s.txnError != nil || s.txnEmpty {
		return nil, s.txnError
	}
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
