package consultest

import (
	"errors"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
)

// RunExpiry proves how a session ends by itself: never before its TTL is over, by
// twice the TTL at the latest (hazard K1), later if it was renewed, and its locks
// are free afterwards. It takes a little over three times the TTL.
func RunExpiry(t *testing.T, newClient func(t *testing.T) *consul.Client, o Options) {
	t.Helper()
	e := newEnv(t, newClient, o)
	began := time.Now()
	idle, renewed := e.session(t, 0), e.session(t, 0)
	acquire(t, e, e.key("lease"), idle, true)
	made := time.Now()
	for time.Since(began) < o.TTL*9/10 {
		_, found, err := e.ReadSession(t.Context(), idle)
		if age := time.Since(began); err == nil && !found && age < o.TTL {
			t.Fatalf("gone after %v, before its TTL of %v", age, o.TTL)
		}
		time.Sleep(o.TTL / 20)
	}
	if err := e.RenewSession(t.Context(), renewed); err != nil {
		t.Fatalf("renewing before the TTL is over: %v", err)
	}
	// A second is Consul's own time to carry the end out. What counts is when it is asked:
	// the answer may wait for a core.
	for {
		age := time.Since(made)
		_, found, err := e.ReadSession(t.Context(), idle)
		if err == nil && !found {
			break
		}
		if age > 2*o.TTL+time.Second {
			t.Fatalf("the session does not end: %v after it was made, error %v", age, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := e.RenewSession(t.Context(), idle); !errors.Is(err, consul.ErrSessionGone) {
		t.Errorf("renewing what has ended: %v", err)
	}
	if err := e.RenewSession(t.Context(), renewed); err != nil {
		t.Errorf("the renewed one ended as early: %v", err)
	}
	acquire(t, e, e.key("lease"), renewed, true)
}
