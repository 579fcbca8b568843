//go:build e2e

package drill

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/drill"
)

// TestDrillIsolate isolates the master's machine by a drill that runs there, so that
// `--via env` stands for ssh: another server becomes master, the command that made the
// cut has long ended when the cut does, nothing of it is left, and the group is whole.
func TestDrillIsolate(t *testing.T) {
	ctx := machinetest.Context(t, 6*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Nodes: 3})
	f.BringUp(ctx, t)
	old := f.Master(ctx, t)
	r := f.Redfleet(ctx, t, old, "drill", "isolate", "main", "--yes", "--for", "12s", "--via", "env", "-o", "json")
	var report drill.Report
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil || r.Code != 0 {
		t.Fatalf("exit status %d, %v\n%s%s", r.Code, err, r.Stdout, r.Stderr)
	}
	if report.MasterBefore != old.Name || report.MasterAfter == old.Name || !report.Whole || !report.Cleaned || report.LostWaited != 0 || report.WholeMS < 12000 {
		t.Errorf("the report is %+v", report)
	}
	t.Logf("%+v", report)
	gone(ctx, t, f)
	f.Whole(ctx, t)
}

// gone: no node has a table or a timer of a cut.
func gone(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	t.Helper()
	for _, n := range f.Nodes {
		machinetest.Eventually(ctx, t, 10*time.Second, n.Name+" has no table of a cut", func() bool {
			r, err := n.Run(ctx, "nft", "list", "table", "inet", "redfleet_drill")
			return err == nil && r.Code != 0
		})
		if r, err := n.Run(ctx, "systemctl", "is-active", "redfleet-drill-isolate.timer"); err != nil || r.Code == 0 {
			t.Errorf("%s still has the timer of a cut: %v %+v", n.Name, err, r)
		}
	}
}
