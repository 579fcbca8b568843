package fleettest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestForgottenNode: Consul forgets a node with its sessions and services, as its
// autopilot does with a server that failed (K5). Its own agent would bring the
// services back in one to two minutes; the fleet's agents do when they find their
// session gone, and nothing changes on the nodes.
func TestForgottenNode(t *testing.T) {
	t.Parallel()
	addr := consultest.StartReal(t)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	f := bringOn(t, addr, 3, calm)
	same := undisturbed(t, f)
	var services []struct{ Node, Address string }
	if err := json.Unmarshal(askConsul(t, http.MethodGet, addr, "/v1/catalog/service/test-main", nil), &services); err != nil || len(services) != 6 {
		t.Fatalf("three servers and three sentinels are %d services: %v", len(services), err)
	}
	body := fmt.Sprintf(`{"Node": %q, "Address": %q}`, services[0].Node, services[0].Address)
	at := epochs(t, f)
	for _, verb := range []string{"deregister", "register"} { // the node alone comes back, as when gossip finds it
		askConsul(t, http.MethodPut, addr, "/v1/catalog/"+verb, strings.NewReader(body))
	}
	// A new plan has the agents report.
	lost := []consul.Op{consul.Delete(f.Keys.Goal("n1")), consul.Delete(f.Keys.Goal("n2")), consul.Delete(f.Keys.Goal("n3"))}
	if _, err := f.Client.Txn(t.Context(), lost...); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*toldIn, "all services are there again", func() bool {
		entries, err := f.Client.Services(t.Context(), "test-main")
		passing := 0
		for _, e := range entries {
			if e.Passing && len(e.Tags) == 1 {
				passing++
			}
		}
		return err == nil && passing == 6 && epochs(t, f).lowest > at.highest
	})
	same()
}

// TestEndedSession: the sessions of all agents end while Consul is out. The agents
// ask when it answers again, not at the next renewal, which can be 40 s later.
func TestEndedSession(t *testing.T) {
	t.Parallel()
	s, addr := StandIn(t)
	f := bringOn(t, addr, 3, calm)
	same := undisturbed(t, f)
	for _, node := range []string{"n1", "n2", "n3"} {
		e, found, err := f.Client.Get(t.Context(), f.Keys.Report(node))
		if err != nil || !found || e.Session == "" {
			t.Fatalf("the report of %s is held by %q (found %v): %v", node, e.Session, found, err)
		}
		if err := f.Client.DestroySession(t.Context(), e.Session); err != nil {
			t.Fatal(err)
		}
	}
	s.SetError(http.StatusInternalServerError)
	for _, node := range []string{"n1", "n2", "n3"} { // by that each learns that Consul was out
		eventually(t, toldIn, "the watches of "+node+" fail", func() bool { return holds(f.Log.String(), "watching redfleet/test/goal/"+node+" failed") })
	}
	s.SetError(0)
	f.WaitFor(toldIn, "all agents have a session again", func(a fleet.Assessment) bool {
		for _, node := range []string{"n1", "n2", "n3"} {
			if e, found, err := f.Client.Get(t.Context(), f.Keys.Report(node)); err != nil || !found || e.Session == "" {
				return false
			}
		}
		return a.State == fleet.GroupServing
	})
	same()
}
