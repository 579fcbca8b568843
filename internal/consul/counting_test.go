package consul_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redfleet/redfleet/internal/devconsul"
)

// traffic counts what a client causes.
type traffic struct {
	requests    atomic.Int64
	connections atomic.Int64
}

// countingServer runs the stand-in behind a counter until the test ends.
func countingServer(t *testing.T, server *devconsul.Server) (addr string, seen *traffic) {
	t.Helper()
	seen = &traffic{}
	handler := server.Handler()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.requests.Add(1)
		handler.ServeHTTP(w, r)
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			seen.connections.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(func() {
		server.Close()
		srv.Close()
	})
	return strings.TrimPrefix(srv.URL, "http://"), seen
}
