package devconsul_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/devconsul/devconsultest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConformance: the stand-in passes the suite that a real Consul passes in
// internal/consul.
func TestConformance(t *testing.T) {
	t.Parallel()
	_, addr := devconsultest.Start(t, devconsul.Options{MinInterval: 50 * time.Millisecond})
	consultest.Run(t, clients(addr),
		consultest.Options{Address: addr, TTL: 10 * time.Second, Interval: 50 * time.Millisecond})
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	// What is done between a tenth of it before its end and its end may have to wait for
	// a core.
	const ttl = 2 * time.Second
	_, addr := devconsultest.Start(t, devconsul.Options{MinTTL: ttl})
	consultest.RunExpiry(t, clients(addr), consultest.Options{TTL: ttl})
}

func clients(addr string) func(t *testing.T) *consul.Client {
	return func(t *testing.T) *consul.Client {
		t.Helper()
		c, err := consul.New(consul.Options{Address: addr})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
}
