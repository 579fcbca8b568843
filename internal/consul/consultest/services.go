package consultest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
)

func serviceCases() map[string]func(*testing.T, *env) {
	return map[string]func(*testing.T, *env){
		"registered, changed, deregistered":                   registerAndBack,
		"an unknown service has no instances":                 unknownService,
		"a check flips after enough failures, and back":       checkFlips,
		"other tags do not change the status of a check":      retagKeepsStatus,
		"the status to begin with counts for a new check":     initialStatus,
		"renewed, the status is in the catalog at once (K10)": renewedStatus,
		"a check that went away no longer counts":             checkRemoved,
		"two instances of one service, each with its own tag": twoInstances,
	}
}

// register adds a service that is taken off when the test ends.
func (e *env) register(t *testing.T, s consul.Service) {
	t.Helper()
	if err := e.Register(t.Context(), s); err != nil {
		t.Fatalf("registering %s: %v", s.ID, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := e.Deregister(ctx, s.ID); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
}

// service is one with a check of the given URL; without one, always passing.
func (e *env) service(url, status string, tags ...string) consul.Service {
	s := consul.Service{
		ID: e.name + "-1", Name: e.name, Tags: tags, Addr: fleet.Addr{Host: "127.0.0.7", Port: 6379},
		Meta: map[string]string{"group": "main"},
	}
	if url != "" {
		s.Check = &consul.Check{
			// A check that is not answered in time has failed: long, for a busy machine.
			HTTP: url, Interval: e.opts.Interval, Timeout: time.Minute, FailuresBeforeCritical: 3, Status: status,
		}
	}
	return s
}

// awaitService waits for the catalog, which follows the agent with a delay.
func (e *env) awaitService(t *testing.T, what string, ok func(fleet.ServiceEntry) bool) {
	t.Helper()
	Eventually(t, synced, func() (bool, string) {
		list, err := e.Services(t.Context(), e.name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if ok(s) {
				return true, ""
			}
		}
		return false, name("want one that is %s, have %+v", what, list)
	})
}

func passing(s fleet.ServiceEntry) bool  { return s.Passing }
func critical(s fleet.ServiceEntry) bool { return !s.Passing }
func tagged(tag string) func(fleet.ServiceEntry) bool {
	return func(s fleet.ServiceEntry) bool { return slices.Contains(s.Tags, tag) }
}

func registerAndBack(t *testing.T, e *env) {
	s := e.service("", "", "replica")
	e.register(t, s)
	e.awaitService(t, "there", passing)
	list, err := e.Services(t.Context(), e.name)
	if err != nil {
		t.Fatal(err)
	}
	want := []fleet.ServiceEntry{{Service: s.Name, ID: s.ID, Addr: s.Addr, Tags: s.Tags, Passing: true}}
	if d := cmp.Diff(want, list); d != "" {
		t.Errorf("Services (-want +got):\n%s", d)
	}
	local, err := e.AgentServices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, local[s.ID]); d != "" {
		t.Errorf("AgentServices (-want +got):\n%s", d)
	}
	s.Tags = []string{"master"}
	e.register(t, s)
	e.awaitService(t, "master", tagged("master"))
	for range 2 {
		if err := e.Deregister(t.Context(), s.ID); err != nil {
			t.Errorf("deregistering: %v", err)
		}
	}
	Eventually(t, synced, func() (bool, string) {
		list, err := e.Services(t.Context(), e.name)
		return err == nil && len(list) == 0, name("still there: %v, error %v", list, err)
	})
}

func unknownService(t *testing.T, e *env) {
	if list, err := e.Services(t.Context(), e.name); len(list) > 0 || err != nil {
		t.Errorf("instances %v, error %v", list, err)
	}
}

// target is what a check gets: 200 while it is up.
type target struct {
	url  string
	down atomic.Bool
	// failed counts the failures in a row.
	failed atomic.Int64
	asked  atomic.Int64
	// once: no check after the first is answered before the test ends.
	once atomic.Bool
}

func newTarget(t *testing.T) *target {
	t.Helper()
	x := &target{}
	ended := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if x.asked.Add(1) > 1 && x.once.Load() {
			select {
			case <-ended:
			case <-r.Context().Done():
			}
			return
		}
		if x.down.Load() {
			x.failed.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(func() { close(ended); srv.Close() })
	x.url = srv.URL + "/role/redis-main-6379"
	return x
}

func checkFlips(t *testing.T, e *env) {
	x := newTarget(t)
	e.register(t, e.service(x.url, "", "master"))
	e.awaitService(t, "passing", passing)
	// So that the first failure is not the first result after the registration.
	Eventually(t, soon, func() (bool, string) { return x.asked.Load() > 0, "the check is not made" })
	x.down.Store(true)
	e.awaitService(t, "critical", critical)
	if n := x.failed.Load(); n < 3 {
		t.Errorf("critical after %d failures, want 3", n)
	}
	x.down.Store(false)
	e.awaitService(t, "passing again", passing)
}

func retagKeepsStatus(t *testing.T, e *env) {
	x := newTarget(t)
	e.register(t, e.service(x.url, "passing", "replica"))
	e.awaitService(t, "passing", passing)
	// With "critical" to begin with, a check that began anew would show it.
	e.register(t, e.service(x.url, "critical", "master"))
	e.awaitService(t, "master", func(s fleet.ServiceEntry) bool {
		if !s.Passing {
			t.Errorf("the service flapped: %+v", s)
		}
		return tagged("master")(s)
	})
}

func initialStatus(t *testing.T, e *env) {
	x := newTarget(t)
	x.down.Store(true)
	x.once.Store(true)
	e.register(t, e.service(x.url, "passing"))
	// Consul counts the first result after a registration as the last of its row, and
	// here there is no second one.
	e.awaitService(t, "critical", critical)
	if n := x.failed.Load(); n != 1 {
		t.Errorf("critical after %d failures, want the first one to count", n)
	}
}

func renewedStatus(t *testing.T, e *env) {
	x := newTarget(t)
	// Long, so that the first test does not come while this looks.
	s := e.service(x.url, "critical", "master")
	s.Check.Interval = 24 * time.Hour
	for _, status := range []string{"critical", "passing", "critical", "passing"} {
		s.Check.Status, s.Renewed = status, time.Now()
		e.register(t, s)
		list, err := e.Services(t.Context(), e.name)
		if err != nil || len(list) != 1 || list[0].Passing != (status == "passing") {
			t.Errorf("registered as %s, the catalog has %+v, error %v", status, list, err)
		}
	}
}

func checkRemoved(t *testing.T, e *env) {
	x := newTarget(t)
	x.down.Store(true)
	e.register(t, e.service(x.url, ""))
	e.awaitService(t, "critical", critical)
	e.register(t, e.service("", ""))
	e.awaitService(t, "passing", passing)
}

func twoInstances(t *testing.T, e *env) {
	one := e.service("", "", "master")
	two := e.service("", "", "replica")
	two.ID, two.Addr.Host = e.name+"-2", "127.0.0.8"
	e.register(t, one)
	e.register(t, two)
	Eventually(t, synced, func() (bool, string) {
		list, err := e.Services(t.Context(), e.name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list {
			got = append(got, s.Addr.Host+" "+strings.Join(s.Tags, ","))
		}
		slices.Sort(got)
		want := []string{"127.0.0.7 master", "127.0.0.8 replica"}
		return slices.Equal(got, want), name("have %v, want %v", got, want)
	})
}
