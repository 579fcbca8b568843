package consul_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestUnsyncedCheck: a real Consul agent that failed to compare its services with the
// catalog keeps to itself that a check passes again (K10). The same registration once
// more leaves that to a race; a renewed one is passing in the catalog at once.
func TestUnsyncedCheck(t *testing.T) {
	t.Parallel()
	a := consultest.StartACL(t)
	c := a.Root(t)
	var up atomic.Bool
	var answered atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answered.Add(1)
	}))
	t.Cleanup(srv.Close)
	s := consul.Service{ID: "shop-n1-redis-main-6379", Name: "shop-main", Tags: []string{"master"},
		Addr: fleet.Addr{Host: "127.0.0.7", Port: 6379}, Check: &consul.Check{HTTP: srv.URL, Interval: time.Second, Status: "passing"}}
	passing := func() bool {
		t.Helper()
		list, err := c.Services(t.Context(), s.Name)
		if err != nil || len(list) != 1 {
			t.Fatalf("the catalog has %+v, error %v", list, err)
		}
		return list[0].Passing
	}
	if err := c.Register(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ {
		up.Store(false)
		// As long as it takes an agent that has just failed to compare to try again.
		consultest.Eventually(t, time.Minute, func() (bool, string) { return !passing(), "it is passing, and its check fails" })
		a.StopSync(t)
		answered.Store(0)
		up.Store(true)
		consultest.Eventually(t, 10*time.Second, func() (bool, string) {
			n := answered.Load()
			return n >= 2, fmt.Sprintf("the check has passed %d times", n)
		})
		if !passing() {
			break
		}
		if try == 3 {
			t.Fatal("the Consul agent told the catalog three times that the check passes: it does not come to the state that this test is about")
		}
	}
	s.Renewed = time.Now()
	if err := c.Register(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if !passing() {
		t.Error("renewed, the service is critical in the catalog still")
	}
}
