package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/redfleet/redfleet/internal/redistest"
)

// TestHangup: redfleet ends in good order when the terminal or the connection that it
// was started from is lost, so that a planned failover goes on to its end. Under nohup it
// ignores that as before.
func TestHangup(t *testing.T) {
	t.Parallel()
	cmd := daemon(t, "exec env --default-signal=HUP") // the tests may run under nohup themselves
	if ignores(t, cmd, syscall.SIGHUP) {
		t.Fatal("it ignores a hangup")
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("upon a hangup: %v", err)
	}
	cmd = daemon(t, `trap "" HUP; exec`)
	if !ignores(t, cmd, syscall.SIGHUP) {
		t.Fatal("under nohup it does not ignore a hangup")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("upon SIGTERM: %v", err)
	}
}

// daemon starts one of redfleet's in a shell, by what replaces the shell with it, and
// returns when it serves. It ends with the test.
func daemon(t *testing.T, by string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", redistest.FreePort(t, "127.0.0.1"))
	cmd := exec.CommandContext(t.Context(), "sh", "-c", by+` "$0" devconsul --listen "$1"`, self, address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	redistest.Until(t, "it serves", func() bool {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	return cmd
}

// ignores reads it from the kernel's mask of ignored signals.
func ignores(t *testing.T, cmd *exec.Cmd, sig syscall.Signal) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var mask uint64
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "SigIgn:"); is {
			if _, err := fmt.Sscanf(strings.TrimSpace(value), "%x", &mask); err != nil {
				t.Fatal(err)
			}
		}
	}
	return mask&(1<<(sig-1)) != 0
}
