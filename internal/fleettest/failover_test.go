package fleettest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

func index(t *testing.T, node string) int {
	t.Helper()
	var i int
	if _, err := fmt.Sscanf(node, "n%d", &i); err != nil {
		t.Fatal(err)
	}
	return i
}

// kill ends an instance of node n<i> with SIGKILL.
func kill(t *testing.T, f *Fleet, i int, kind fleet.Kind) {
	t.Helper()
	port := 6379
	if kind == fleet.KindSentinel {
		port = 26379
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.Units(i).Kill(ctx, fleet.NewInstanceID(kind, "main", port)); err != nil {
		t.Fatal(err)
	}
}

// masterTagged waits until Consul leads to exactly one master, on that node.
func masterTagged(t *testing.T, f *Fleet, node int) {
	t.Helper()
	want := fleet.Addr{Host: f.Host(node), Port: 6379}
	eventually(t, failoverIn, "Consul's master tag on "+want.String(), func() bool {
		entries, err := f.Client.Services(t.Context(), "test-main")
		if err != nil {
			return false
		}
		var masters []fleet.Addr
		for _, e := range entries {
			for _, tag := range e.Tags {
				if tag == "master" && e.Passing {
					masters = append(masters, e.Addr)
				}
			}
		}
		return len(masters) == 1 && masters[0] == want
	})
}

// waitMaster waits until Sentinel has failed over from n<old> and the group is
// whole again, and gives its master. On a machine that is busy enough to stall a
// server for down-after, that can be n<old> again, after a second failover.
func waitMaster(t *testing.T, f *Fleet, old int) int {
	t.Helper()
	a := f.WaitFor(failoverIn, fmt.Sprintf("whole again after a failover from n%d", old), func(a fleet.Assessment) bool {
		if a.State != fleet.GroupServing || failing(a) != "" {
			return false
		}
		w, err := f.World(t.Context())
		return err == nil && epoch(w) > 0 && (a.Master.Node != fmt.Sprintf("n%d", old) || epoch(w) > 1)
	})
	return index(t, a.Master.Node)
}

// epoch is the highest configuration epoch that a sentinel reports: 0 until the
// first failover.
func epoch(w fleet.World) uint64 {
	var highest uint64
	for _, r := range w.Reports {
		for _, i := range r.Report.Instances {
			if i.Sentinel != nil {
				highest = max(highest, i.Sentinel.ConfigEpoch)
			}
		}
	}
	return highest
}

func TestFailover(t *testing.T) {
	t.Parallel()
	t.Run("a master that is shut down returns as a replica", func(t *testing.T) {
		t.Parallel()
		f := bring(t, 3, nil)
		old := index(t, f.WaitServing(servingIn).Master.Node)
		if err := f.Redis(old).Set(t.Context(), "kept", "yes"); err != nil {
			t.Fatal(err)
		}
		_ = f.Redis(old).Shutdown(t.Context(), false)
		reads := f.Redis(old%3 + 1)
		if got, _, err := reads.Get(t.Context(), "kept"); err != nil || got != "yes" {
			t.Errorf("a read at a replica while the master is down gave %q, %v", got, err)
		}
		now := waitMaster(t, f, old)
		masterTagged(t, f, now)
		if got, _, err := f.Redis(now).Get(t.Context(), "kept"); err != nil || got != "yes" {
			t.Errorf("the new master shows %q, %v", got, err)
		}
		checkReplication(t, f, 3)
	})
	t.Run("a master that crashes returns as a replica", func(t *testing.T) {
		t.Parallel()
		f := bring(t, 3, nil)
		old := index(t, f.WaitServing(servingIn).Master.Node)
		kill(t, f, old, fleet.KindRedis)
		now := waitMaster(t, f, old)
		masterTagged(t, f, now)
		checkReplication(t, f, 3)
	})
	t.Run("an asked failover keeps password and roles", func(t *testing.T) {
		t.Parallel()
		f := bring(t, 3, nil)
		old := index(t, f.WaitServing(servingIn).Master.Node)
		eventually(t, 15*time.Second, "SENTINEL FAILOVER is taken", func() bool {
			return f.Sentinel(old).Failover(t.Context(), "main") == nil
		})
		now := waitMaster(t, f, old)
		masterTagged(t, f, now)
		checkReplication(t, f, 3)
	})
	t.Run("a crashed replica and a crashed sentinel start again", func(t *testing.T) {
		t.Parallel()
		f := bring(t, 3, calm)
		master := index(t, f.WaitServing(servingIn).Master.Node)
		other := master%3 + 1
		before := pids(t, f, 3)
		kill(t, f, other, fleet.KindRedis)
		kill(t, f, other, fleet.KindSentinel)
		eventually(t, servingIn, "both run again", func() bool {
			now := pids(t, f, 3)
			return changed(before, now) == 2 && len(now) == len(before)
		})
		if a := f.WaitServing(failoverIn); index(t, a.Master.Node) != master {
			t.Errorf("the master moved to %s", a.Master.Node)
		}
	})
	t.Run("without sentinels a crashed master starts again as what it was", func(t *testing.T) {
		t.Parallel()
		f := bring(t, 3, func(g *fleet.GroupSpec) { g.Topology, g.Sentinel = fleet.Replication, fleet.SentinelSpec{} })
		master := index(t, f.WaitServing(servingIn).Master.Node)
		if err := f.Redis(master).Set(t.Context(), "kept", "yes"); err != nil {
			t.Fatal(err)
		}
		onDisk(t, f, master)
		kill(t, f, master, fleet.KindRedis)
		eventually(t, failoverIn, "the master answers again", func() bool {
			got, _, err := f.Redis(master).Get(t.Context(), "kept")
			return err == nil && got == "yes"
		})
		if a := f.WaitServing(failoverIn); index(t, a.Master.Node) != master {
			t.Errorf("the master moved to %s", a.Master.Node)
		}
	})
}

// pids gives the invocation of each process that runs, by instance and node.
func pids(t *testing.T, f *Fleet, n int) map[string]string {
	t.Helper()
	out := map[string]string{}
	for i := 1; i <= n; i++ {
		s := f.Units(i)
		names, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if st, err := s.Status(t.Context(), name); err == nil && st.State == fleet.UnitActive {
				out[fmt.Sprintf("n%d/%s", i, name)] = st.Invocation
			}
		}
		_ = s.Close()
	}
	return out
}

// changed counts the processes that are other ones than before.
func changed(before, now map[string]string) int {
	n := 0
	for name, inv := range before {
		if now[name] != inv {
			n++
		}
	}
	return n
}
