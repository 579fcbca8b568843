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

// settings: the master lists a dead replica for as long as repl-timeout, and no sentinel
// forgets it before.
const settings = "[group.config]\nrepl-timeout = 10\nrepl-ping-replica-period = 2\n"

// scene is three machines with a group, and a client that writes to it. The last one
// has a replica.
type scene struct {
	*machinetest.Fleet
	first, dead *machine.Node
	writer      *machinetest.Writer
	before      map[string]machinetest.Instance
}

// start brings up a group on n1, n2 and this one. What lies between is one of Consul's
// servers and nothing else.
func start(ctx context.Context, t *testing.T, last int) *scene {
	t.Helper()
	f := machinetest.New(ctx, t, machinetest.Options{Nodes: last})
	f.Nodes = []*machine.Node{f.Nodes[0], f.Nodes[1], f.Nodes[last-1]}
	s := &scene{Fleet: f, first: f.Nodes[0], dead: f.Nodes[2]}
	s.BringUp(ctx, t, settings)
	if m := s.Master(ctx, t); m == s.dead {
		t.Fatalf("%s is the master; the test takes it for a replica", m.Name)
	}
	s.writer, s.before = s.StartWriter(ctx, t), stays(ctx, t, f)
	return s
}

// end: nothing of those that stayed was restarted, no write failed or is missing.
func (s *scene) end(ctx context.Context, t *testing.T) machinetest.Writes {
	t.Helper()
	s.Whole(ctx, t)
	writes := s.writer.Stop()
	writes.NoError(t)
	s.Keeps(ctx, t, writes, s.writer.Last())
	machinetest.SameRuns(t, s.before, stays(ctx, t, s.Fleet))
	return writes
}

// TestReplace: n3 is dead for good, and n4 takes its place; n3's machine comes back and
// is kept down. A client writes all the time: nothing of the others is restarted, no
// write fails, and verify is good at the end (hazards S4, S5, S7).
func TestReplace(t *testing.T) {
	t.Parallel() // most of it waits for the time between two sentinels' resets
	ctx := machinetest.Context(t, 8*time.Minute)
	s := start(ctx, t, 3)
	began := time.Now()
	check(t, s.dead.PowerOff(ctx))
	fresh := newMachine(ctx, t, s.Fleet, "n4")
	s.Join(ctx, t, fresh)
	remove(ctx, t, s.Fleet, s.first, "n3", "n4")
	s.Nodes = []*machine.Node{s.first, s.Node(t, "n2"), fresh}
	s.WaitServing(ctx, t)
	replaced := time.Since(began)
	units(ctx, t, fresh, "active")

	// The dead machine comes back, as the member that it was.
	check(t, s.dead.BootAgain(ctx))
	units(ctx, t, s.dead, "inactive")
	s.WaitServing(ctx, t) // a ghost that it left is forgotten, at once or by a request of the coordinator's
	writes := s.end(ctx, t)
	fmt.Printf("e2e replace other_name_s=%.0f writes=%d failed=%d\n", replaced.Seconds(), len(writes.Acknowledged), len(writes.Failed))
}

// TestReplaceSameName: n4 dies, and a new machine takes its place under its name, at
// another address.
func TestReplaceSameName(t *testing.T) {
	t.Parallel()
	ctx := machinetest.Context(t, 8*time.Minute)
	s := start(ctx, t, 4)
	began := time.Now()
	old := s.dead.Address
	check(t, s.dead.Destroy(ctx))
	s.Nodes = s.Nodes[:2]
	forceLeave(ctx, t, s.first, "n4")
	again := newMachine(ctx, t, s.Fleet, "n4")
	if again.Address == old {
		t.Fatal("the new machine has the old one's address")
	}
	s.Join(ctx, t, again)
	machinetest.Eventually(ctx, t, 2*time.Minute, "the new n4 runs", func() bool { return active(ctx, again) })
	remove(ctx, t, s.Fleet, s.first, "n4", "n4")
	s.WaitServing(ctx, t)
	same := time.Since(began)
	writes := s.end(ctx, t)
	fmt.Printf("e2e replace same_name_s=%.0f writes=%d failed=%d\n", same.Seconds(), len(writes.Acknowledged), len(writes.Failed))
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

// forceLeave has Consul forget a machine that is dead, as an operator does before a new
// one takes its name: a Consul agent that comes while the old one still counts as alive
// loses the conflict over the name, and for good. Its session ends with it.
func forceLeave(ctx context.Context, t *testing.T, n *machine.Node, node string) {
	t.Helper()
	member := func() string {
		for line := range strings.Lines(machinetest.Run(ctx, t, n, "consul", "members")) {
			if fields := strings.Fields(line); fields[0] == node {
				return fields[2]
			}
		}
		return "gone"
	}
	machinetest.Eventually(ctx, t, time.Minute, "Consul counts "+node+" as failed", func() bool { return member() == "failed" })
	machinetest.Run(ctx, t, n, "consul", "force-leave", "-prune", node)
	machinetest.Eventually(ctx, t, time.Minute, "Consul has forgotten "+node, func() bool { return member() == "gone" })
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
