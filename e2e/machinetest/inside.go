package machinetest

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/e2e/machine"
)

// inside is set where a test binary runs on a machine, sent there by itself.
const inside = "REDFLEET_TEST_INSIDE"

// Inside tells whether this test binary runs on a machine, see RunInside. TestMain
// then runs the tests and nothing else.
func Inside() bool { return os.Getenv(inside) != "" }

// RunInside sends this test binary to the machine, runs one test of it there as
// root, and gives its output.
func RunInside(ctx context.Context, t testing.TB, n *machine.Node, test string) string {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	binary, err := os.ReadFile(self)
	check(t, err)
	check(t, n.PutFile(ctx, "/root/inside.test", binary, 0o755))
	out := Run(ctx, t, n, "/usr/bin/env", inside+"=1", "/root/inside.test", "-test.run="+test, "-test.v", "-test.timeout=2m")
	if !strings.Contains(out, "--- PASS: ") {
		t.Fatalf("no test ran on %s:\n%s", n.Name, out)
	}
	return out
}
