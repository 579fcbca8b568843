// Package devconsultest starts Consul's stand-in inside a test.
package devconsultest

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/devconsul"
)

// Start runs a stand-in until the test ends and gives it with its address,
// host:port. The server is for faults and snapshots.
func Start(t testing.TB, o devconsul.Options) (server *devconsul.Server, addr string) {
	t.Helper()
	s := devconsul.New(o)
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		// First what waits in the stand-in, else the HTTP server waits for it.
		s.Close()
		srv.Close()
	})
	return s, strings.TrimPrefix(srv.URL, "http://")
}
