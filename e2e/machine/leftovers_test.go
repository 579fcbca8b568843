//go:build e2e

package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLeftoversAreFound leaves one thing of each kind behind, as tests with a mistake
// would, and sees each of them named and the run fail.
func TestLeftoversAreFound(t *testing.T) {
	dir := t.TempDir()
	group := filepath.Join(hierarchies()[0], "rf-left-by-test")
	var sleeper *exec.Cmd
	t.Cleanup(func() {
		_ = unix.Unmount(dir, 0)
		_ = os.Remove(group)
		if sleeper != nil && sleeper.Process != nil {
			_ = sleeper.Process.Kill()
			_ = sleeper.Wait()
		}
	})
	leave := map[string]func() error{
		"process": func() error {
			sleeper = exec.Command("sleep", "100000")
			sleeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
			return sleeper.Start()
		},
		"mount":  func() error { return unix.Mount("tmpfs", dir, "tmpfs", 0, "") },
		"cgroup": func() error { return os.Mkdir(group, 0o755) },
	}
	var said strings.Builder
	code := NothingLeft(func() int {
		for what, do := range leave {
			if err := do(); err != nil {
				t.Errorf("leaving a %s: %v", what, err)
			}
		}
		return 0
	}, &said)
	if code == 0 {
		t.Error("the run passes")
	}
	for _, what := range []string{"process ", "namespace net:", "mount " + dir, "cgroup " + group} {
		if !strings.Contains(said.String(), "left behind: "+what) {
			t.Errorf("%q is not named in:\n%s", what, said.String())
		}
	}
	if NothingLeft(func() int { return 3 }, &said) != 3 {
		t.Error("the status of tests that leave nothing is changed")
	}
}
