//go:build e2e

// Package units tests redfleet's unit files and its D-Bus supervisor on real
// machines, with a real systemd as their first process.
package units

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machine"
)

// inside is set where this test binary runs on a machine, sent there by itself.
const inside = "REDFLEET_TEST_INSIDE"

// TestMain holds the run to its promise: nothing is left on the host.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	before, err := machine.Snapshot()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	left, err := machine.Leftovers(context.Background(), before)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	for _, what := range left {
		fmt.Fprintln(os.Stderr, "left behind:", what)
		code = 1
	}
	os.Exit(code)
}

// limited is the context of a test; ^C ends it, so that the test cleans up.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func newLab(ctx context.Context, t *testing.T, o machine.Options) *machine.Lab {
	t.Helper()
	log := logrus.New()
	log.SetOutput(t.Output())
	o.Log = log
	l, err := machine.New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// boot makes one node and waits until its systemd is running.
func boot(ctx context.Context, t *testing.T, l *machine.Lab, name string, o machine.CreateOptions) *machine.Node {
	t.Helper()
	n, err := l.Create(ctx, name, o)
	if err == nil {
		err = n.Boot(ctx)
	}
	if err == nil {
		err = n.WaitRunning(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run runs a command in the node that has to succeed, and returns its output.
func run(ctx context.Context, t *testing.T, n *machine.Node, argv ...string) string {
	t.Helper()
	r, err := n.Run(ctx, argv...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 {
		t.Fatalf("%v on %s: status %d: %s%s", argv, n.Name, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

func put(ctx context.Context, t *testing.T, n *machine.Node, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := n.PutFile(ctx, path, content, mode); err != nil {
		t.Fatal(err)
	}
}

// eventually polls until holds is true.
func eventually(ctx context.Context, t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", limit, what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
