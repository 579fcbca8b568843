package machinetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
)

// Run runs a command on the node that has to succeed, and returns what it wrote to
// its standard output.
func Run(ctx context.Context, t testing.TB, n *machine.Node, argv ...string) string {
	t.Helper()
	out, err := run(ctx, n, argv...)
	check(t, err)
	return out
}

func run(ctx context.Context, n *machine.Node, argv ...string) (string, error) {
	r, err := n.Run(ctx, argv...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s on %s: exit status %d:\n%s%s", strings.Join(argv, " "), n.Name, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout, err
}

// Redfleet runs a verb of redfleet on the node, as root there, for the test's
// fleet. Any exit status is a result, not a failure.
func (f *Fleet) Redfleet(ctx context.Context, t testing.TB, n *machine.Node, args ...string) machine.Result {
	t.Helper()
	r, err := f.redfleet(ctx, n, args...)
	check(t, err)
	return r
}

func (f *Fleet) redfleet(ctx context.Context, n *machine.Node, args ...string) (machine.Result, error) {
	return n.Run(ctx, slices.Concat([]string{"env", "REDFLEET_FLEET=" + FleetName}, f.options.Environment, []string{"redfleet"}, args)...)
}

// explain writes what the daemons and instances of each machine have said last
// into the output of a test that failed.
func (f *Fleet) explain(t testing.TB) {
	if !t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, n := range f.Nodes {
		r, err := n.Run(ctx, "journalctl", "--no-pager", "--quiet", "--output=short-precise", "--lines=25",
			"--unit=redfleet-agent", "--unit=redfleet-coordinator", "--unit=redfleet-redis@*", "--unit=redfleet-sentinel@*")
		if err != nil {
			t.Logf("the journal of %s cannot be had: %v", n.Name, err)
			continue
		}
		t.Logf("the journal of %s ends with:\n%s", n.Name, r.Stdout)
	}
}
