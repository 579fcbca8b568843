package fleettest

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/specfile"
)

// takeover bounds how long a real Consul may take to end the session of a
// frozen holder: twice the TTL of 10 s (hazard K1), and the lock-delay.
const takeover = 30 * time.Second

// TestFrozenCoordinator is the promise fenced-leader on a real Consul: a
// coordinator sleeps through the end of its lease while another one forms the
// group; awake again it writes nothing and stands by. That Consul refuses a
// write that was already in its hands is shown by the lease's own tests.
func TestFrozenCoordinator(t *testing.T) {
	t.Parallel()
	f := New(t, &nets, consultest.StartReal(t))
	config := func(name string) *specfile.CoordinatorConfig {
		return &specfile.CoordinatorConfig{
			Fleet: f.Name, Name: name, KeyFile: f.KeyFile(), LeaseTTL: fleet.Duration(10 * time.Second),
			Consul: specfile.ConsulConfig{Address: f.Consul},
		}
	}
	holder := func() string {
		e, _, err := f.Client.Get(t.Context(), f.Keys.Lease())
		if err != nil || e.Session == "" {
			return ""
		}
		return string(e.Value)
	}
	first := startKilled(t, f, order{Coordinator: config("c1")})
	eventually(t, servingIn, "c1 leads", func() bool { return strings.Contains(holder(), "c1") })
	startKilled(t, f, order{Coordinator: config("c2")})
	for i := range 3 {
		f.StartAgent(i+1, nil)
	}
	eventually(t, servingIn, "the agents report", func() bool {
		w, err := f.World(t.Context())
		return err == nil && len(w.Reports) == 3
	})
	if err := syscall.Kill(first.pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, nil)})
	eventually(t, takeover, "c2 leads", func() bool { return strings.Contains(holder(), "c2") })
	f.WaitServing(servingIn)
	before := written(t, f)
	if err := syscall.Kill(first.pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, servingIn, "c1 knows that it no longer leads", func() bool {
		for _, line := range strings.Split(f.Log.String(), "\n") {
			if strings.Contains(line, "no longer holds the lease") && strings.Contains(line, "coordinator c1") {
				return true
			}
		}
		return false
	})
	f.WaitServing(servingIn)
	if after := written(t, f); before != after {
		t.Errorf("the group record changed after c1 woke:\n%s\n%s", before, after)
	}
	events, err := f.Client.List(t.Context(), f.Keys.Events())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		ev, err := records.Decode[fleet.Event](e.Key, e.Value)
		if err != nil || ev.Who == "c1" {
			t.Errorf("c1 wrote the event %+v, %v", ev, err)
		}
	}
	if len(events) == 0 {
		t.Error("there are no events, and so nothing shows who wrote them")
	}
}

// written is the group's record as it stands.
func written(t *testing.T, f *Fleet) string {
	t.Helper()
	e, found, err := f.Client.Get(t.Context(), f.Keys.Group("main"))
	if err != nil || !found {
		t.Fatalf("the group's record: %v, %v", found, err)
	}
	return string(e.Value)
}
