package fleettest

import (
	"net/http"
	"slices"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// TestUnsyncedChecks: Consul comes back after an outage with a failover in it; its
// agents begin with every check as critical, and the catalog does not hear from them
// that they pass (K10). The fleet's agents bring it there.
func TestUnsyncedChecks(t *testing.T) {
	t.Parallel()
	s, addr := StandIn(t)
	f := bringOn(t, addr, 3, nil)
	redises := map[int]*redis.Server{1: f.Redis(1), 2: f.Redis(2), 3: f.Redis(3)} // while Consul has the password
	old := index(t, f.WaitServing(servingIn).Master.Node)

	s.SetError(http.StatusInternalServerError)
	for _, i := range []string{"n1", "n2", "n3"} {
		eventually(t, toldIn, "the watches of "+i+" fail", func() bool { return holds(f.Log.String(), "watching redfleet/test/goal/"+i+" failed") })
	}
	kill(t, f, old, fleet.KindRedis)
	eventually(t, failoverIn, "another server is master", func() bool {
		for _, i := range others(old) {
			if role, err := redises[i].Role(t.Context()); err == nil && role.Role == fleet.RoleMaster {
				return true
			}
		}
		return false
	})
	s.HoldChecks(true)
	s.FailChecks()
	s.SetError(0)
	eventually(t, toldIn, "all services are passing, with one master", func() bool {
		entries, err := f.Client.Services(t.Context(), "test-main")
		passing, masters := 0, 0
		for _, e := range entries {
			if e.Passing && len(e.Tags) == 1 {
				passing++
			}
			if slices.Contains(e.Tags, "master") && e.Addr.Host != f.Host(old) {
				masters++
			}
		}
		return err == nil && passing == 6 && masters == 1
	})
}
