package observe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
	"github.com/redfleet/redfleet/internal/redistest"
	"github.com/redfleet/redfleet/internal/secret"
)

// TestFileLineageWithoutAKey: a replica's first sync is of an empty group, and nobody
// looks before it ends. It comes back under a history of its own, and is looked at before
// it holds a key. What it is written to later lies beside the head of that first sync: by
// that its files must not count as another group's (simulation, seed 7788).
func TestFileLineageWithoutAKey(t *testing.T) {
	store, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	password, err := secret.NewPassword(strings.Repeat("p", 32))
	if err != nil {
		t.Fatal(err)
	}
	start := func(dir, more string) (*redistest.Proc, fleet.Addr) {
		at := fleet.Addr{Host: "127.0.0.1", Port: redistest.FreePort(t, "127.0.0.1")}
		conf := redistest.Write(t, dir, "redis.conf", fmt.Appendf(nil,
			"bind 127.0.0.1\nport %[1]d\ndir %[2]s\nrequirepass %[3]s\nmasterauth %[3]s\nsave \"\"\nrepl-diskless-sync-delay 0\n%[4]s", at.Port, dir, password.Reveal(), more))
		return redistest.Start(t, conf, at.String(), password.Reveal()), at
	}
	master, at := start(t.TempDir(), "")
	g := fleet.InstanceGoal{ID: fleet.NewInstanceID(fleet.KindRedis, "main", 6379), Kind: fleet.KindRedis, Group: "main", Assigned: fleet.Running}
	o := New(t.TempDir(), store, active{}, time.Now)
	defer o.Close()
	dir := apply.Dir(o.DataDir, g.ID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}

	synced, _ := start(dir, fmt.Sprintf("appendonly yes\nreplicaof 127.0.0.1 %d\n", at.Port))
	redistest.Until(t, "the replica is in step", func() bool { return synced.Info("master_link_status") == "up" })
	first := master.Info("master_replid")
	synced.Stop(syscall.SIGKILL)
	if err := os.RemoveAll(filepath.Join(dir, rdb.DefaultNames().AOFDir)); err != nil { // its rewrite may be cut anywhere
		t.Fatal(err)
	}

	alone, self := start(dir, "appendonly yes\n")
	g.Addr = self
	var seen Seen
	redistest.Until(t, "the server answers a look in time", func() bool {
		seen = o.Look(t.Context(), g, password)
		return seen.Info != nil
	})
	switch {
	case seen.Info.Keys != 0 || seen.Info.ReplID == first || seen.Info.ReplID2 == first:
		t.Fatalf("it does not run without a key in a history of its own: %+v, %s", seen.Info, seen.Answer)
	case seen.FileLineage != first:
		t.Errorf("its files are of lineage %q, want %q", seen.FileLineage, first)
	}
	alone.Do("SET", "k", "1")
	alone.Stop(syscall.SIGKILL)
	if d, err := rdb.Dataset(dir); err != nil || !d.Present || d.ReplID != first {
		t.Errorf("the fence finds %+v, %v, want data of lineage %s", d, err, first)
	}
}
