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
	for time.Since(began) < o.TTL*9/10 {
		if _, found, err := e.ReadSession(t.Context(), idle); err == nil && !found {
			t.Fatalf("gone after %v, before its TTL of %v", time.Since(began), o.TTL)
		}
		time.Sleep(o.TTL / 20)
	}
	if err := e.RenewSession(t.Context(), renewed); err != nil {
		t.Fatalf("renewing before the TTL is over: %v", err)
	}
	// Half a second is Consul's own time to carry the end out.
	Eventually(t, 2*o.TTL-time.Since(began)+500*time.Millisecond, func() (bool, string) {
		_, found, err := e.ReadSession(t.Context(), idle)
		return err == nil && !found, "the session does not end"
	})
	if err := e.RenewSession(t.Context(), idle); !errors.Is(err, consul.ErrSessionGone) {
		t.Errorf("renewing what has ended: %v", err)
	}
	if err := e.RenewSession(t.Context(), renewed); err != nil {
		t.Errorf("the renewed one ended as early: %v", err)
	}
	acquire(t, e, e.key("lease"), renewed, true)
}
