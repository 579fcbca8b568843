//go:build e2e

package replace

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// TestReplace: n3 is dead for good, and n4 takes its place; n3's machine comes back and
// is kept down; then n4 dies, and a new machine takes its place under its name, at
// another address. A client writes all the time: nothing of the others is restarted, no
// write fails, and verify is good at the end (hazards S4, S5, S7).
func TestReplace(t *testing.T) {
	ctx := machinetest.Context(t, 15*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Nodes: 3})
	// The master lists a dead replica for as long as repl-timeout, and no sentinel
	// forgets it before.
	f.BringUp(ctx, t, "[group.config]\nrepl-timeout = 10\nrepl-ping-replica-period = 2\n")
	if m := f.Master(ctx, t); m.Name == "n3" {
		t.Fatal("n3 is the master; the test takes it for a replica")
	}
	first, dead := f.Node(t, "n1"), f.Node(t, "n3")
	w := f.StartWriter(ctx, t)
	before := stays(ctx, t, f)

	start := time.Now()
	check(t, dead.PowerOff(ctx))
	fresh := newMachine(ctx, t, f, "n4")
	f.Join(ctx, t, fresh)
	remove(ctx, t, f, first, "n3", "n4")
	f.Nodes = []*machine.Node{first, f.Node(t, "n2"), fresh}
	f.WaitServing(ctx, t)
	replaced := time.Since(start)
	units(ctx, t, fresh, "active")

	// The dead machine comes back, as the member that it was.
	check(t, dead.BootAgain(ctx))
	units(ctx, t, dead, "inactive")
	f.WaitServing(ctx, t) // a ghost that it left is forgotten, at once or by a request of the coordinator's
	check(t, dead.PowerOff(ctx))

	// The newcomer dies too, and a new machine has its name and another address.
	start = time.Now()
	check(t, fresh.Destroy(ctx))
	f.Nodes = f.Nodes[:2]
	endSession(ctx, t, first, "n4")
	again := newMachine(ctx, t, f, "n4")
	if again.Address == fresh.Address {
		t.Fatal("the new machine has the old one's address")
	}
	f.Join(ctx, t, again)
	machinetest.Eventually(ctx, t, 2*time.Minute, "the new n4 runs", func() bool { return active(ctx, again) })
	remove(ctx, t, f, first, "n4", "n4")
	f.WaitServing(ctx, t)
	same := time.Since(start)

	f.Whole(ctx, t)
	writes := w.Stop()
	writes.NoError(t)
	f.Keeps(ctx, t, writes, 0)
	machinetest.SameRuns(t, before, stays(ctx, t, f))
	fmt.Printf("e2e replace other_name_s=%.0f same_name_s=%.0f writes=%d failed=%d\n", replaced.Seconds(), same.Seconds(),
		len(writes.Acknowledged), len(writes.Failed))
}

// newMachine boots a machine that has Consul and the package.
func newMachine(ctx context.Context, t *testing.T, f *machinetest.Fleet, name string) *machine.Node {
	t.Helper()
	n, err := f.Lab.Create(ctx, name, machine.CreateOptions{Consul: machine.ConsulClient})
	check(t, err)
	check(t, n.Boot(ctx))
	check(t, n.WaitRunning(ctx))
	_, err = n.WaitConsulLeader(ctx)
	check(t, err)
	f.Nodes = append(f.Nodes, n)
	f.Install(ctx, t, n)
	return n
}

// remove runs the command and waits for its end.
func remove(ctx context.Context, t *testing.T, f *machinetest.Fleet, n *machine.Node, node, with string) {
	t.Helper()
	r := f.Redfleet(ctx, t, n, "node", "remove", node, "--replace-with", with, "--yes", "--wait", "--timeout", "5m")
	t.Logf("node remove %s --replace-with %s:\n%s%s", node, with, r.Stdout, r.Stderr)
	if r.Code != 0 {
		t.Fatalf("exit status %d", r.Code)
	}
}

// stays are the instances that run from the beginning to the end.
func stays(ctx context.Context, t *testing.T, f *machinetest.Fleet) map[string]machinetest.Instance {
	t.Helper()
	out := map[string]machinetest.Instance{}
	for _, name := range []string{"n1", "n2"} {
		n := f.Node(t, name)
		for _, unit := range []string{machinetest.RedisUnit(), machinetest.SentinelUnit()} {
			out[name+" "+unit] = machinetest.Unit(ctx, t, n, unit)
		}
	}
	return out
}

// units waits until both of the node's instances are in this state, and down for good
// where that is inactive.
func units(ctx context.Context, t *testing.T, n *machine.Node, want string) {
	t.Helper()
	enabled := map[string]string{"active": "enabled", "inactive": "disabled"}[want]
	for _, unit := range []string{machinetest.RedisUnit(), machinetest.SentinelUnit()} {
		machinetest.Eventually(ctx, t, time.Minute, fmt.Sprintf("%s on %s is %s and %s", unit, n.Name, want, enabled), func() bool {
			return says(ctx, n, "is-active", unit) == want && says(ctx, n, "is-enabled", unit) == enabled
		})
	}
	for _, dir := range []string{"redis-main-6379", "sentinel-main-26379"} {
		machinetest.Run(ctx, t, n, "test", "-s", "/var/lib/redfleet/"+dir+"/identity")
	}
}

func active(ctx context.Context, n *machine.Node) bool {
	return says(ctx, n, "is-active", machinetest.RedisUnit()) == "active" && says(ctx, n, "is-active", machinetest.SentinelUnit()) == "active"
}

func says(ctx context.Context, n *machine.Node, verb, unit string) string {
	r, err := n.Run(ctx, "systemctl", verb, unit)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(r.Stdout)
}

// endSession ends the session of a machine that is gone, as an operator may who does
// not want to wait some minutes until Consul does.
func endSession(ctx context.Context, t *testing.T, n *machine.Node, node string) {
	t.Helper()
	const script = `ask() { exec 3<>/dev/tcp/127.0.0.1/8500; printf '%s %s HTTP/1.0\r\n\r\n' "$1" "$2" >&3; cat <&3; }
id=$(ask GET /v1/kv/redfleet/e2e/report/$1 | grep -o '"Session":"[^"]*"' | cut -d'"' -f4)
[ -z "$id" ] || ask PUT /v1/session/destroy/$id`
	machinetest.Run(ctx, t, n, "bash", "-c", script, "bash", node)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
