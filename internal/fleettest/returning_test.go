package fleettest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestStaleReplicaIsNotPromoted: a replica that comes back and has not caught up is
// not made master when the master goes away at that moment, though Sentinel would
// take it: what was written meanwhile stays (hazard S19).
func TestStaleReplicaIsNotPromoted(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, nil)
	master := index(t, f.WaitServing(servingIn).Master.Node)
	one, other := others(master)[0], others(master)[1]
	stopAgent(t, f, one)
	kill(t, f, one, fleet.KindRedis)
	signal(t, f, other, fleet.KindRedis, syscall.SIGSTOP)
	r := f.Redis(master)
	for i := range 100 {
		if err := r.Set(t.Context(), fmt.Sprint("key", i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, servingIn, "a fence that the master has answered", func() bool { // a busy machine can be too late for one
		start, err := fenceOn(t, f, one, 5*time.Second)
		startsAs(t, start, err, addrOf(f, master), "follow", "as-it-was")
		return strings.Contains(read(t, confFile(f, one)), "\nreplica-priority 0\n")
	})
	signal(t, f, master, fleet.KindRedis, syscall.SIGSTOP) // before the link can come up
	startUnit(t, f, one, redisID)
	back := f.Redis(one)
	down := f.Sentinel(one)
	eventually(t, servingIn, "the sentinels find the master down and the replica up", func() bool {
		view, err := down.Observe(t.Context(), "main", false)
		if err != nil || !strings.Contains(view.Report.MasterFlags, "o_down") {
			return false
		}
		for _, seen := range view.Report.Replicas {
			if seen.Addr == addrOf(f, one) {
				return !strings.Contains(seen.Flags, "down")
			}
		}
		return false
	})
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if info, err := back.Observe(t.Context()); err == nil && info.Role == fleet.RoleMaster {
			t.Fatalf("the replica that lacks 100 writes was made master; it holds %d keys", info.Keys)
		}
	}
	signal(t, f, master, fleet.KindRedis, syscall.SIGCONT)
	for i := 1; i <= 3; i++ { // else the other replica could be promoted before it reads what it was sent
		eventually(t, servingIn, fmt.Sprintf("the sentinel of n%d finds the master up", i), func() bool {
			view, err := f.Sentinel(i).Observe(t.Context(), "main", false)
			return err == nil && !strings.Contains(view.Report.MasterFlags, "down")
		})
	}
	signal(t, f, other, fleet.KindRedis, syscall.SIGCONT)
	f.StartAgent(one, nil)
	eventually(t, failoverIn, "the replica has caught up and can be promoted", func() bool {
		info, err := back.Observe(t.Context())
		return err == nil && info.ReplicaPriority == 100 && info.Keys >= 100
	})
	f.WaitServing(failoverIn)
}

// TestForeignDataIsHeld: a replica whose files were exchanged for another group's
// stays down, with the reason, and the files stay as they are; without them it
// starts and is synced (hazard S14, promise data-wins).
func TestForeignDataIsHeld(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, calm)
	master := index(t, f.WaitServing(servingIn).Master.Node)
	one := others(master)[0]
	if err := f.Redis(master).Set(t.Context(), "kept", "yes"); err != nil {
		t.Fatal(err)
	}
	info, err := f.Redis(master).Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(f, one, fleet.KindRedis)
	eventually(t, servingIn, "the replica has the key", func() bool {
		_, found, err := f.Redis(one).Get(t.Context(), "kept")
		return err == nil && found
	})
	eventually(t, servingIn, "the agent has noted the lineage", func() bool {
		_, noted, _ := strings.Cut(read(t, memoryFile(f, one)), `"lineages": "`) // its own of before the sync is the first
		noted, _, _ = strings.Cut(noted, `"`)
		return strings.Contains(noted, info.ReplID)
	})
	stopAgent(t, f, one)
	kill(t, f, one, fleet.KindRedis)
	dump := filepath.Join(dir, "dump.rdb")
	before, err := os.ReadFile(dump)
	if err != nil || !bytes.Contains(before, []byte(info.ReplID)) {
		t.Fatalf("no snapshot of lineage %s: %v", info.ReplID, err)
	}
	other := bytes.ReplaceAll(before, []byte(info.ReplID), bytes.Repeat([]byte("f"), 40))
	if err := os.WriteFile(dump, other, 0o600); err != nil {
		t.Fatal(err)
	}
	f.StartAgent(one, nil)
	says := "its data files are of lineage " + strings.Repeat("f", 40)
	f.WaitFor(noticedIn, "held with the reason", func(a fleet.Assessment) bool {
		return seen(a, assess.CheckInstances, []string{node(one) + " is held", says})
	})
	_, err = fenceOn(t, f, one, 0)
	heldBy(t, err, "foreign-data")
	if now, err := os.ReadFile(dump); err != nil || !bytes.Equal(now, other) {
		t.Errorf("the files were touched: %v", err)
	}
	for _, path := range []string{dump, filepath.Join(dir, "appendonlydir")} {
		if err := os.Rename(path, filepath.Join(t.TempDir(), "aside")); err != nil {
			t.Fatal(err)
		}
	}
	f.WaitServing(failoverIn)
	checkReplication(t, f, 3)
}

// TestTroublesAreTold: a redis.conf that cannot be written any more is an event
// within seconds, and so is its end (hazard S15).
func TestTroublesAreTold(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, calm)
	g := &group{Fleet: f}
	g.find(t)
	told := func(what string) {
		t.Helper()
		eventually(t, 10*time.Second, "an event that says: "+what, func() bool {
			entries, err := f.Client.List(t.Context(), f.Keys.Events())
			if err != nil {
				return false
			}
			for _, e := range entries {
				if strings.Contains(string(e.Value), what) {
					return true
				}
			}
			return false
		})
	}
	blockRewrite(t, g)
	told(node(g.one) + " cannot rewrite its redis.conf")
	unblockRewrite(t, g)
	told(node(g.one) + " can rewrite its redis.conf again")
}
