//go:build e2e

package recover

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/fleet"
)

const snapshotFile = "/root/consul.snapshot"

// snapshotWhenFirstCommitted saves Consul's state as soon as the first goals count, so
// while the group forms: later goals are newer than it.
func snapshotWhenFirstCommitted(ctx context.Context, t *testing.T, n *machine.Node) (epoch uint64) {
	t.Helper()
	machinetest.Eventually(ctx, t, machinetest.ServingLimit, "the first goals are committed", func() bool {
		epoch, _ = committed(ctx, n)
		return epoch > 0
	})
	machinetest.Run(ctx, t, n, "consul", "snapshot", "save", "-token-file", managementFile, snapshotFile)
	return epoch
}

// committed is the epoch of the control record, as who may read all of Consul sees it.
func committed(ctx context.Context, n *machine.Node) (uint64, error) {
	argv := []string{"consul", "kv", "get"}
	if r, err := n.Run(ctx, "test", "-e", managementFile); err == nil && r.Code == 0 {
		argv = append(argv, "-token-file", managementFile)
	}
	r, err := n.Run(ctx, append(argv, fleet.KeysOf(machinetest.FleetName).Control())...)
	if err != nil || r.Code != 0 {
		return 0, fmt.Errorf("no control record: %w: exit status %d: %s", err, r.Code, r.Stderr)
	}
	var control struct {
		Committed uint64 `json:"committed"`
	}
	if err := json.Unmarshal([]byte(r.Stdout), &control); err != nil {
		return 0, fmt.Errorf("the control record: %w: %s", err, r.Stdout)
	}
	return control.Committed, nil
}

// lose removes all that Consul has, on each of its servers at once, and sets it up
// anew at the same addresses. Files are put where it is down; nil for none.
func lose(ctx context.Context, t *testing.T, f *machinetest.Fleet, files map[string]string) {
	t.Helper()
	f.Each(t, f.Nodes, func(n *machine.Node) error { return do(ctx, n, "systemctl", "stop", "consul.service") })
	f.Each(t, f.Nodes, func(n *machine.Node) error {
		for path, text := range files {
			if err := n.PutFile(ctx, path, []byte(text), 0o644); err != nil {
				return err
			}
		}
		return do(ctx, n, "find", "/var/lib/consul", "-mindepth", "1", "-delete")
	})
	f.Each(t, f.Nodes, func(n *machine.Node) error { return do(ctx, n, "systemctl", "start", "consul.service") })
	f.Each(t, f.Nodes, func(n *machine.Node) error { _, err := n.WaitConsulLeader(ctx); return err })
}

// recover runs the command as an operator does: until no node is missing, then shown
// and declined, then agreed to. It returns what was shown.
func recoverFleet(ctx context.Context, t *testing.T, n *machine.Node, more ...string) string {
	t.Helper()
	argv := append([]string{"redfleet", "recover", "--fleet", machinetest.FleetName}, more...)
	var last machine.Result
	machinetest.Eventually(ctx, t, time.Minute, "redfleet recover misses no node", func() bool {
		var err error
		last, err = n.Run(ctx, append(argv, "-o", "json")...)
		return err == nil && last.Code == 2
	})
	answer := func(text string, code int) string {
		t.Helper()
		r, err := n.RunInput(ctx, strings.NewReader(text), argv...)
		if err != nil {
			t.Fatal(err)
		}
		if r.Code != code || !strings.Contains(r.Stderr, "Write this? [y/N]") {
			t.Fatalf("%v, answered %q: exit status %d, want %d:\n%s%s", argv, text, r.Code, code, r.Stdout, r.Stderr)
		}
		return r.Stdout
	}
	answer("\n", 2)
	if epoch, err := committed(ctx, n); err == nil {
		t.Errorf("a recovery that was not agreed to left a control record, with epoch %d", epoch)
	}
	return answer("y\n", 0)
}
