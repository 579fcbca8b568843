//go:build e2e

package machine

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// TestMain holds the whole run to its promise: nothing is left on the host,
// whether the tests pass, fail or are interrupted.
func TestMain(m *testing.M) { os.Exit(NothingLeft(m.Run, os.Stderr)) }

// untilInterrupt is the context of a test: it ends with the test, and at ^C, so that
// the test fails and cleans up.
func untilInterrupt(t *testing.T) context.Context {
	t.Helper()
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// newLab makes a lab that the test's end removes.
func newLab(ctx context.Context, t *testing.T, o Options) *Lab {
	t.Helper()
	if o.Log == nil {
		log := logrus.New()
		log.SetOutput(t.Output())
		o.Log = log
	}
	l, err := New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		start := time.Now()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("lab %s closed in %.2f s", l.ID, time.Since(start).Seconds())
	})
	return l
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a command in the node that has to succeed, and returns its output.
func run(ctx context.Context, t *testing.T, n *Node, argv ...string) string {
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
