//go:build e2e

package units

import (
	"context"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machine"
)

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
