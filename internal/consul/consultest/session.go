package consultest

import (
	"errors"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
)

func sessionCases() map[string]func(*testing.T, *env) {
	return map[string]func(*testing.T, *env){
		"hangs on no health check (K2)":                             noHealthCheck,
		"is renewed while it lives, and gone after destroy":         renewAndDestroy,
		"too short a TTL is refused, not taken as Consul being out": shortTTL,
		"one session holds a key":                                   oneHolder,
		"a lock-delay follows the end of a holder (K1)":             lockDelay,
		"a release or a deletion leaves no lock-delay (K1)":         noLockDelay,
		"a session that ended cannot acquire":                       goneCannotAcquire,
		"lock in a transaction":                                     lockStep,
		"a plain write keeps the lock":                              writeKeepsLock,
	}
}

func noHealthCheck(t *testing.T, e *env) {
	id := e.session(t, 7*time.Second)
	s, found, err := e.ReadSession(t.Context(), id)
	if err != nil || !found {
		t.Fatalf("found %v, error %v", found, err)
	}
	if len(s.Checks) > 0 {
		t.Errorf("the session hangs on %v", s.Checks)
	}
	if s.TTL != e.opts.TTL || s.LockDelay != 7*time.Second || s.Name != e.name {
		t.Errorf("the session is %+v", s)
	}
	none := e.session(t, 0)
	if s, _, err := e.ReadSession(t.Context(), none); err != nil || s.LockDelay != 0 {
		t.Errorf("lock-delay %v, error %v; want none, not Consul's default", s.LockDelay, err)
	}
}

func renewAndDestroy(t *testing.T, e *env) {
	id := e.session(t, 0)
	if err := e.RenewSession(t.Context(), id); err != nil {
		t.Errorf("renewing: %v", err)
	}
	for range 2 {
		if err := e.DestroySession(t.Context(), id); err != nil {
			t.Errorf("destroying: %v", err)
		}
	}
	if err := e.RenewSession(t.Context(), id); !errors.Is(err, consul.ErrSessionGone) {
		t.Errorf("renewing what is gone: %v", err)
	}
	if _, found, err := e.ReadSession(t.Context(), id); found || err != nil {
		t.Errorf("found %v, error %v", found, err)
	}
}

func shortTTL(t *testing.T, e *env) {
	_, err := e.CreateSession(t.Context(), e.name, e.opts.TTL/2, 0)
	if err == nil || errors.Is(err, consul.ErrOut) {
		t.Errorf("error %v, want one about the TTL", err)
	}
}

func oneHolder(t *testing.T, e *env) {
	key, first, second := e.key("lease"), e.session(t, 0), e.session(t, 0)
	acquire(t, e, key, first, true)
	acquire(t, e, key, second, false)
	// Asking again is safe: after an error it tells whether the first got through.
	acquire(t, e, key, first, true)
	entry, _, err := e.Get(t.Context(), key)
	if err != nil || entry.Session != first || string(entry.Value) != first {
		t.Errorf("held by %q with value %q, error %v", entry.Session, entry.Value, err)
	}
	if done, err := e.Release(t.Context(), key, nil, second); done || err != nil {
		t.Errorf("release by another: %v, error %v", done, err)
	}
	if done, err := e.Release(t.Context(), key, []byte("free"), first); !done || err != nil {
		t.Errorf("release by the holder: %v, error %v", done, err)
	}
	acquire(t, e, key, second, true)
}

func lockDelay(t *testing.T, e *env) {
	const delay = 3 * time.Second // what is tried within it must come in time
	key, first, second := e.key("lease"), e.session(t, delay), e.session(t, 0)
	acquire(t, e, key, first, true)
	ended := time.Now()
	if err := e.DestroySession(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	entry, found, err := e.Get(t.Context(), key)
	if err != nil || !found || entry.Session != "" {
		t.Errorf("after the holder's end: found %v, held by %q, error %v", found, entry.Session, err)
	}
	acquire(t, e, key, second, false)
	_, err = e.Txn(t.Context(), consul.Lock(key, nil, second))
	wantConflict(t, err, 0)
	Eventually(t, 5*delay, func() (bool, string) {
		got, err := e.Acquire(t.Context(), key, nil, second)
		if err != nil {
			t.Fatal(err)
		}
		return got, "the lock-delay does not end"
	})
	if took := time.Since(ended); took < delay-50*time.Millisecond {
		t.Errorf("acquired %v after the end, before the lock-delay of %v was over", took, delay)
	}
}

func noLockDelay(t *testing.T, e *env) {
	key := e.key("lease")
	first, second, third := e.session(t, time.Minute), e.session(t, time.Minute), e.session(t, 0)
	acquire(t, e, key, first, true)
	if done, err := e.Release(t.Context(), key, nil, first); !done || err != nil {
		t.Fatalf("release: %v, error %v", done, err)
	}
	if err := e.DestroySession(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	acquire(t, e, key, second, true)
	if _, err := e.Txn(t.Context(), consul.Delete(key)); err != nil {
		t.Fatal(err)
	}
	acquire(t, e, key, third, true)
}

func goneCannotAcquire(t *testing.T, e *env) {
	id := e.session(t, 0)
	if err := e.DestroySession(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	got, err := e.Acquire(t.Context(), e.key("lease"), nil, id)
	if got || !errors.Is(err, consul.ErrSessionGone) {
		t.Errorf("acquired %v, error %v; want that the session is gone", got, err)
	}
	_, err = e.Txn(t.Context(), consul.Lock(e.key("lease"), nil, id))
	wantConflict(t, err, 0)
}

func lockStep(t *testing.T, e *env) {
	key, first, second := e.key("lease"), e.session(t, 0), e.session(t, 0)
	res, err := e.Txn(t.Context(), consul.Lock(key, []byte("1"), first), consul.CheckSession(key, first))
	if err != nil || res[0].Session != first {
		t.Fatalf("locking: held by %q, error %v", res[0].Session, err)
	}
	_, err = e.Txn(t.Context(), consul.Set(e.key("other"), nil), consul.Lock(key, []byte("2"), second))
	wantConflict(t, err, 1)
	e.wantValue(t, key, "1")
	e.wantValue(t, e.key("other"), "-")
}

func writeKeepsLock(t *testing.T, e *env) {
	key, id := e.key("report"), e.session(t, 0)
	acquire(t, e, key, id, true)
	e.write(t, key, "changed")
	entry, _, err := e.Get(t.Context(), key)
	if err != nil || entry.Session != id || string(entry.Value) != "changed" {
		t.Errorf("held by %q with value %q, error %v", entry.Session, entry.Value, err)
	}
}
