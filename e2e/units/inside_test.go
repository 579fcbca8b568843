//go:build e2e

package units

import (
	"context"
	"os"
	"testing"

	"github.com/redfleet/redfleet/e2e/machine"
)

// runInside sends this test binary to the machine and runs one test of it there.
func runInside(ctx context.Context, t *testing.T, n *machine.Node, test string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	put(ctx, t, n, "/root/units.test", binary, 0o755)
	r, err := n.Run(ctx, "/usr/bin/env", inside+"=1", "/root/units.test", "-test.run=^"+test+"$", "-test.v", "-test.timeout=2m")
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 {
		t.Fatalf("%s failed on %s:\n%s%s", test, n.Name, r.Stdout, r.Stderr)
	}
	return r.Stdout
}
