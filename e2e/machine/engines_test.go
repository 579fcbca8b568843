//go:build e2e

package machine

import (
	"strings"
	"testing"
)

// TestNoEngines installs an engine on a machine that has none, with no way out.
func TestNoEngines(t *testing.T) {
	ctx := untilInterrupt(t)
	n, err := newLab(ctx, t, Options{Engines: NoEngines}).Create(ctx, "n1", CreateOptions{})
	check(t, err)
	check(t, n.Boot(ctx))
	check(t, n.WaitRunning(ctx))
	if r, err := n.Run(ctx, "redis-server", "--version"); err != nil || r.Code != 127 {
		t.Errorf("before the installation: %+v, %v", r, err)
	}
	run(ctx, t, n, "apt-get", "update")
	run(ctx, t, n, "apt-get", "install", "--yes", "--no-install-recommends", "redis-server", "redis-sentinel")
	if got := run(ctx, t, n, "redis-server", "--version"); !strings.HasPrefix(got, "Redis server v=7.0") {
		t.Errorf("installed was %q", got)
	}
}
