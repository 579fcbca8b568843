package consul_test

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul/consultest"
)

// TestExpiry waits for a real Consul to end a session, about 35 s.
func TestExpiry(t *testing.T) {
	t.Parallel()
	addr := consultest.StartReal(t)
	consultest.RunExpiry(t, clients(addr), consultest.Options{Address: addr, TTL: 10 * time.Second, Interval: time.Second})
}
