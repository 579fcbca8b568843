//go:build e2e

package vagrant

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// dirVariable says to TestUp where its lab has to be, in a run that is cut off. It is
// empty in an ordinary one.
const dirVariable = "REDFLEET_VAGRANT_TEST_DIR"

// TestNothingIsLeftBehind cuts a run off and looks at the host afterwards. What a run
// that was killed has left, the next one removes.
func TestNothingIsLeftBehind(t *testing.T) {
	ctx := machinetest.Context(t, 5*time.Minute)
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		sweep  bool // a new lab has to come first
	}{
		{name: "interrupt", signal: syscall.SIGINT},
		{name: "killed", signal: syscall.SIGKILL, sweep: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, err := machine.Snapshot()
			check(t, err)
			dir := t.TempDir()
			out := cutOff(ctx, t, dir, c.signal)
			if c.sweep {
				l, err := machine.New(ctx, machine.Options{Bare: true, Dir: dir})
				check(t, err)
				check(t, l.Close())
			}
			left, err := machine.Leftovers(ctx, before)
			check(t, err)
			folders, err := filepath.Glob(filepath.Join(dir, "rf*"))
			check(t, err)
			if left = append(left, folders...); len(left) > 0 {
				t.Errorf("left behind:\n%s\nafter:\n%s", strings.Join(left, "\n"), out)
			}
		})
	}
}

// cutOff runs TestUp in a process of its own and sends the signal in the middle of
// `vagrant up`: when the containers run and Vagrant is at work in one. The run must
// not pass.
func cutOff(ctx context.Context, t *testing.T, dir string, signal syscall.Signal) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestUp$", "-test.v")
	cmd.Env = append(os.Environ(), dirVariable+"="+dir)
	cmd.WaitDelay = 5 * time.Second
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	check(t, cmd.Start())
	uploads := filepath.Join(dir, "rf*", "containers", "*", "rootfs", "home", "vagrant", "lab")
	inTheMiddle := waitFor(ctx, uploads)
	check(t, cmd.Process.Signal(signal))
	if err := cmd.Wait(); err == nil || !inTheMiddle {
		t.Errorf("the run was to be cut off in the middle of vagrant up (%v, %v):\n%s", inTheMiddle, err, out.String())
	}
	return out.String()
}

// waitFor waits for a file that the pattern matches, until ctx ends.
func waitFor(ctx context.Context, pattern string) bool {
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-pause.C:
		}
	}
}
