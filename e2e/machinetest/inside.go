package machinetest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

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
	// As a unit of its own: some tests take away the D-Bus that a command waiting
	// from outside would hang on.
	_, _ = run(ctx, n, "/bin/sh", "-c", "systemctl stop "+insideUnit+"; systemctl reset-failed "+insideUnit) // of the test before
	Run(ctx, t, n, "systemd-run", "--quiet", "--unit="+insideUnit, "--property=RemainAfterExit=yes",
		"--property=StandardOutput=truncate:/root/inside.log", "--property=StandardError=inherit",
		"--setenv="+inside+"=1", "/root/inside.test", "-test.run="+test, "-test.v", "-test.timeout="+insideLimit.String())
	ended := poll(ctx, insideLimit+time.Minute, func() string {
		state, err := run(ctx, n, "systemctl", "show", "--property=SubState", "--value", insideUnit)
		if state = strings.TrimSpace(state); err == nil && (state == "exited" || state == "failed") {
			return ""
		}
		return fmt.Sprintf("it is %s, %v", state, err) // also while systemd restarts itself
	})
	out := Run(ctx, t, n, "cat", "/root/inside.log")
	if ended != "" || !strings.HasSuffix(out, "\nPASS\n") || !strings.Contains(out, "--- PASS: ") {
		t.Fatalf("%s on %s did not pass (%s):\n%s", test, n.Name, ended, out)
	}
	return out
}

const insideUnit = "inside-test.service"

// insideLimit is for what hangs: the longest takes 45 s on a host with other work.
const insideLimit = 4 * time.Minute
