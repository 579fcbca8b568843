package consul_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConformance: a real Consul does what redfleet relies on. The stand-in runs
// through the same suite in its own package.
func TestConformance(t *testing.T) {
	t.Parallel()
	addr := consultest.StartReal(t)
	consultest.Run(t, clients(addr), consultest.Options{Address: addr, TTL: 10 * time.Second, Interval: time.Second})
}

// clients makes clients of one Consul that are closed with their test.
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
