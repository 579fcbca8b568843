//go:build e2e

package units

import (
	"context"
	"os"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machine"
)

// runInside sends this test binary to the machine and runs one test of it there,
// as root.
func runInside(ctx context.Context, t *testing.T, n *machine.Node, test string) string {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	binary, err := os.ReadFile(self)
	check(t, err)
	check(t, n.PutFile(ctx, "/root/units.test", binary, 0o755))
	r, err := n.Run(ctx, "/usr/bin/env", inside+"=1", "/root/units.test", "-test.run="+test, "-test.v", "-test.timeout=2m")
	check(t, err)
	if r.Code != 0 {
		t.Fatalf("%s failed on %s:\n%s%s", test, n.Name, r.Stdout, r.Stderr)
	}
	return r.Stderr + r.Stdout
}

// plain boots one machine that has only these files.
func plain(ctx context.Context, t *testing.T, suite string, files map[string]string) *machine.Node {
	t.Helper()
	log := logrus.New()
	log.SetOutput(t.Output())
	l, err := machine.New(ctx, machine.Options{Suite: suite, Log: log})
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	n, err := l.Create(ctx, "n1", machine.CreateOptions{Files: files})
	check(t, err)
	check(t, n.Boot(ctx))
	check(t, n.WaitRunning(ctx))
	return n
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
