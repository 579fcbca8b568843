//go:build e2e

package preflight

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// testCloned: n1 and n2 have one machine-id (hazard M4). Nothing is installed on
// them, status and events say why, and once it is mended the group comes up by
// itself.
func testCloned(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	n1, n2, n3 := f.Nodes[0], f.Nodes[1], f.Nodes[2]
	f.Join(ctx, t)
	machinetest.Eventually(ctx, t, time.Minute, "n1 finds its twin", func() bool {
		return status(run(ctx, t, f, n1, "preflight", "-o", "json"), "machine-id") == preflight.Error
	})
	d := run(ctx, t, f, n1, "preflight", "-o", "json")
	expect(t, d, "machine-id", preflight.Error, "n1 ("+n1.Address.String()+") has the machine-id of n2 ("+n2.Address.String()+")")
	expect(t, d, "config", preflight.OK, "agent.toml")
	expect(t, d, "node-name", preflight.OK, "n1")
	expect(t, d, "rights", preflight.OK, "")
	d = run(ctx, t, f, n3, "preflight", "-o", "json", "--spec", "/root/fleet.toml")
	expect(t, d, "machine-id", preflight.OK, "of 2 nodes")
	expect(t, d, "clock", preflight.OK, "n1 is ")

	f.Apply(ctx, t, f.Spec(""))
	const reason = "preflight found errors, so nothing new is installed here: machine-id: n1"
	machinetest.Eventually(ctx, t, time.Minute, "the events tell why", func() bool {
		return strings.Contains(f.Redfleet(ctx, t, n3, "events").Stdout, "installs nothing new")
	})
	machinetest.Eventually(ctx, t, time.Minute, "the status tells why", func() bool {
		group, err := f.TryStatus(ctx, n3)
		return err == nil && strings.Contains(group.Reason, "machine-id")
	})
	// Both may be told of n2 alone so far.
	machinetest.Eventually(ctx, t, time.Minute, "the report of n1 tells why", func() bool {
		r, err := n1.Run(ctx, "consul", "kv", "get", "redfleet/"+machinetest.FleetName+"/report/n1")
		return err == nil && strings.Contains(r.Stdout, reason)
	})
	for _, n := range []*machine.Node{n1, n2} {
		if left := machinetest.Run(ctx, t, n, "sh", "-c", "ls /var/lib/redfleet"); strings.Contains(left, "redis-main") {
			t.Errorf("on %s there is %s", n.Name, left)
		}
	}
	machineID(ctx, t, n2, "fedcba9876543210fedcba9876543210")
	f.WaitServing(ctx, t)
	d = run(ctx, t, f, n1, "preflight", "-o", "json")
	expect(t, d, "machine-id", preflight.OK, "")
	expect(t, d, "ports", preflight.OK, "redfleet's own")
	expect(t, d, "reachable", preflight.OK, "4 ports answer")
	expect(t, d, "other-redis", preflight.OK, "2 run, all of redfleet's")
	expect(t, d, "spec", preflight.OK, "the spec in Consul")
}

// testFailStatic: with the same fault again, and every agent new, what runs goes
// on as it is.
func testFailStatic(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	before := f.Runs(ctx, t)
	w := f.StartWriter(ctx, t)
	machineID(ctx, t, f.Nodes[1], cloned)
	f.Each(t, f.Nodes, func(n *machine.Node) error {
		_, err := n.Run(ctx, "systemctl", "restart", "redfleet-agent.service")
		return err
	})
	machinetest.Eventually(ctx, t, time.Minute, "n1 finds its twin again", func() bool {
		return status(run(ctx, t, f, f.Nodes[0], "preflight", "-o", "json"), "machine-id") == preflight.Error
	})
	w.WaitMore(ctx, t, 100)
	f.WaitServing(ctx, t)
	w.Stop().NoError(t)
	machinetest.SameRuns(t, before, f.Runs(ctx, t))
}

// machineID gives a machine another machine-id, for its agent too.
func machineID(ctx context.Context, t *testing.T, n *machine.Node, id string) {
	t.Helper()
	check(t, n.PutFile(ctx, "/etc/machine-id", []byte(id+"\n"), 0o444))
	machinetest.Run(ctx, t, n, "systemctl", "restart", "redfleet-agent.service")
}

func status(d preflight.Document, name string) preflight.Status {
	for _, c := range d.Checks {
		if c.Name == name {
			return c.Status
		}
	}
	return ""
}
