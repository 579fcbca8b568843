package machinetest

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
)

// Main runs a package's tests and returns the exit status for TestMain. It fails
// where something is on the host afterwards that was not there before: processes,
// mounts, namespaces, cgroups.
func Main(m *testing.M) int { return machine.NothingLeft(m.Run, os.Stderr) }

// Context is the context of a test: it ends with the test, after limit, and at ^C,
// so that the test fails and cleans up.
func Context(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, limit)
	t.Cleanup(cancel)
	return ctx
}

// Eventually waits until holds is true, at most for limit, and else fails the test
// with what was waited for.
func Eventually(ctx context.Context, t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	if why := poll(ctx, limit, func() string {
		if holds() {
			return ""
		}
		return "it does not hold"
	}); why != "" {
		t.Fatalf("%s: not within %s: %s", what, limit, why)
	}
}

// pollPause is short against all that is waited for, and costs a node a command.
const pollPause = 50 * time.Millisecond

// poll asks until there is no objection any more, at most for limit; it returns
// the last one.
func poll(ctx context.Context, limit time.Duration, objection func() string) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pause := time.NewTicker(pollPause)
	defer pause.Stop()
	for {
		why := objection()
		if why == "" {
			return ""
		}
		select {
		case <-ctx.Done():
			return why
		case <-pause.C:
		}
	}
}
