//go:build e2e

package units

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/systemd"
)

// refusesToEnd: a server that cannot write its data refuses SIGTERM. Whoever asked
// for the stop is told at his own deadline, and nothing was killed (hazard D2).
func refusesToEnd(ctx context.Context, t *testing.T, n *machine.Node) {
	before := machinetest.Unit(ctx, t, n, machinetest.RedisUnit())
	dir := "/var/lib/redfleet/redis-main-6379"
	machinetest.Run(ctx, t, n, "chown", "root:root", dir, dir+"/appendonlydir")
	machinetest.Run(ctx, t, n, "chmod", "755", dir, dir+"/appendonlydir")
	machinetest.RunInside(ctx, t, n, "^TestFleet$")
	if after := machinetest.Unit(ctx, t, n, machinetest.RedisUnit()); after != before {
		t.Errorf("the server was touched: %+v, now %+v", before, after)
	}
	machinetest.Run(ctx, t, n, "chown", "redfleet:redfleet", dir, dir+"/appendonlydir")
	machinetest.Run(ctx, t, n, "chmod", "700", dir, dir+"/appendonlydir")
	// As docs/operations.md says: once the folder can be written, ask again.
	machinetest.Run(ctx, t, n, "systemctl", "kill", "--kill-who=main", "--signal=TERM", machinetest.RedisUnit())
	machinetest.Eventually(ctx, t, 20*time.Second, "the server ends", func() bool {
		return machinetest.Unit(ctx, t, n, machinetest.RedisUnit()).PID != before.PID
	})
}

// stopInside is refusesToEnd's half on the machine.
func stopInside(t *testing.T) {
	ctx, s := open(t)
	const id fleet.InstanceID = "redis-main-6379"
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := s.Stop(short, id)
	if !errors.Is(err, systemd.ErrStillRunning) || !strings.Contains(err.Error(), "nothing was killed") {
		t.Errorf("stop: %v", err)
	}
	if st := status(ctx, t, s, id); st.State != fleet.UnitActive || st.PID == 0 {
		t.Errorf("status: %+v", st)
	}
}
