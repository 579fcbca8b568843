package fleettest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

const (
	// servingIn bounds a bring-up, most of it for a machine under load: a sentinel that
	// stands still for 2 s, as for a sync of its file, is in TILT for 30 s, in which the
	// group is not verified.
	servingIn = 45 * time.Second
	// failoverIn bounds a failover at down-after 2 s and the rejoin after it. A
	// busy machine can stall a server for down-after and so cause a second one,
	// and Sentinel takes about 10 s to demote a master that came back (S12).
	failoverIn = 60 * time.Second
)

// nets are the one thing that tests share.
var nets Nets //nolint:gochecknoglobals // see above

// calm is for a test in which nobody is to be promoted: at the down-after of Spec a
// busy machine that stalls the master for 2 s has another one promoted.
func calm(g *fleet.GroupSpec) { g.Sentinel.DownAfter = fleet.Duration(30 * time.Second) }

// bring starts a coordinator and n agents, and waits until the group serves.
func bring(t *testing.T, n int, edit func(*fleet.GroupSpec)) *Fleet {
	t.Helper()
	_, addr := StandIn(t)
	return bringOn(t, addr, n, edit)
}

func bringOn(t *testing.T, consulAddr string, n int, edit func(*fleet.GroupSpec)) *Fleet {
	t.Helper()
	f := New(t, &nets, consulAddr)
	f.Apply(fleet.SpecRecord{Spec: f.Spec(n, edit)})
	f.StartCoordinator(1, nil)
	for i := range n {
		f.StartAgent(i+1, nil)
	}
	f.WaitServing(servingIn)
	return f
}

func TestBringUp(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 5, 7} {
		t.Run(fmt.Sprintf("sentinel with %d nodes", n), func(t *testing.T) {
			t.Parallel()
			f := bring(t, n, nil)
			checkReplication(t, f, n)
			checkReportSizes(t, f)
		})
	}
	t.Run("replication with 3 nodes", func(t *testing.T) {
		t.Parallel()
		f := bring(t, 3, func(g *fleet.GroupSpec) { g.Topology, g.Sentinel = fleet.Replication, fleet.SentinelSpec{} })
		checkReplication(t, f, 3)
	})
	t.Run("announcing host names", func(t *testing.T) {
		t.Parallel()
		_, addr := StandIn(t)
		f := New(t, &nets, addr)
		f.Apply(fleet.SpecRecord{Spec: f.Spec(3, func(g *fleet.GroupSpec) { g.Sentinel.Announce = fleet.AnnounceHostname })})
		f.StartCoordinator(1, nil)
		for i := range 3 {
			// No name of these addresses is to be had everywhere; their text is one.
			f.StartAgent(i+1, func(o *agent.Options) { o.Config.AnnounceHostname = f.Host(i + 1) })
		}
		f.WaitServing(servingIn)
		checkReplication(t, f, 3)
		for path, text := range confs(t, f) {
			if strings.HasSuffix(path, "sentinel.conf") && !strings.Contains(text, "sentinel resolve-hostnames yes") {
				t.Errorf("%s does not resolve host names", path)
			}
		}
	})
	t.Run("the preferred node becomes master", func(t *testing.T) {
		t.Parallel()
		f := bring(t, 3, func(g *fleet.GroupSpec) { calm(g); g.Prefer = "n2" })
		if a := f.WaitServing(servingIn); a.Master.Node != "n2" {
			t.Errorf("master is %s, want n2", a.Master.Node)
		}
	})
}

// checkReplication does what an operator does with redis-cli: a write on the
// master is read on each replica, a write on a replica is refused.
func checkReplication(t *testing.T, f *Fleet, n int) {
	t.Helper()
	a := f.WaitServing(servingIn)
	var master int
	if _, err := fmt.Sscanf(a.Master.Node, "n%d", &master); err != nil {
		t.Fatal(err)
	}
	value := time.Now().String()
	if err := f.Redis(master).Set(t.Context(), "greeting", value); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		if i == master {
			continue
		}
		r := f.Redis(i)
		eventually(t, servingIn, "the write on replica n"+fmt.Sprint(i), func() bool {
			got, _, err := r.Get(t.Context(), "greeting")
			return err == nil && got == value
		})
		if err := r.Set(t.Context(), "greeting", "no"); !errors.Is(err, redis.ErrReadOnly) {
			t.Errorf("a write on replica n%d gave %v, want READONLY", i, err)
		}
	}
	if _, found, err := f.Redis(master).Get(t.Context(), fleet.ProbeKey("main")); found || err != nil {
		eventually(t, servingIn, "the probe key is gone", func() bool { // a step that failed is tried again a second later
			_, found, err := f.Redis(master).Get(t.Context(), fleet.ProbeKey("main"))
			return err == nil && !found
		})
	}
}

// checkReportSizes: reports stay small, since a coordinator reads them all.
func checkReportSizes(t *testing.T, f *Fleet) {
	t.Helper()
	entries, err := f.Client.List(t.Context(), f.Keys.Reports())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if len(e.Value) == 0 || len(e.Value) > 4096 {
			t.Errorf("%s has %d bytes, want 4096 at most", e.Key, len(e.Value))
		}
	}
}

func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
