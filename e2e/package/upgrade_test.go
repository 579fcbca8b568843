//go:build e2e

package debian

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// TestUpgradeWhileAClientWrites upgrades a group that serves, machine by machine,
// to the package of the next commit, while a client writes through the master: it
// sees no error, no Redis and no Sentinel is another process than before, and the
// daemons are of the new package (hazards M1, M2).
func TestUpgradeWhileAClientWrites(t *testing.T) {
	ctx := machinetest.Context(t, 6*time.Minute)
	newer := next(ctx, t, t.TempDir(), "022")
	f := machinetest.New(ctx, t, machinetest.Options{})
	f.BringUp(ctx, t)
	was := version(ctx, t, f.Nodes[0], "/usr/bin/redfleet")
	before := f.Runs(ctx, t)
	w := f.StartWriter(ctx, t)
	start := time.Now()
	for _, n := range f.Nodes {
		w.WaitMore(ctx, t, 50)
		host{n, ctx, t}.install(newer)
		w.WaitMore(ctx, t, 50)
	}
	took := time.Since(start)
	f.WaitServing(ctx, t)
	writes := w.Stop()
	writes.NoError(t)
	machinetest.SameRuns(t, before, f.Runs(ctx, t))
	for _, n := range f.Nodes {
		for _, unit := range []string{agent, coordinator} {
			pid := machinetest.Unit(ctx, t, n, unit).PID
			if is := version(ctx, t, n, fmt.Sprintf("/proc/%d/exe", pid)); is == was || is != version(ctx, t, n, "/usr/bin/redfleet") {
				t.Errorf("%s on %s is still of %s", unit, n.Name, is)
			}
		}
	}
	fmt.Printf("upgrade nodes=%d upgrade_s=%.2f writes=%d failed=%d longest_gap_ms=%d\n",
		len(f.Nodes), took.Seconds(), len(writes.Acknowledged), len(writes.Failed), writes.Gap.Milliseconds())
}

func version(ctx context.Context, t *testing.T, n *machine.Node, binary string) string {
	t.Helper()
	return strings.TrimSpace(machinetest.Run(ctx, t, n, binary, "version"))
}
