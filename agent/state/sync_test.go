package state_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/redfleet/redfleet/agent/state"
)

// TestSyncInstances: what was renamed in there is on the disk afterwards; where the
// folder is gone nothing was kept, and that is an error.
func TestSyncInstances(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.SyncInstances(); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "instances")); err != nil {
		t.Fatal(err)
	}
	if err := store.SyncInstances(); err == nil {
		t.Error("a folder that is gone was synced")
	}
}
