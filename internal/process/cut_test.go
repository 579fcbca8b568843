package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// asSupervisor makes the test binary a supervisor that is cut at a given place:
// see TestCut.
const asSupervisor = "PROCESS_TEST_CUT"

// TestCut: a supervisor is cut (SIGKILL) at each place of a start. The next one
// ends up with exactly one process, whichever was cut.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"locked", "forked", "recorded"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s, u, ctx := setup(t)
			u.Argv = []string{"/bin/sh", "-c", "echo ran; exec sleep 600"}
			unit, err := json.Marshal(u)
			if err != nil {
				t.Fatal(err)
			}
			cut := exec.CommandContext(ctx, "/proc/self/exe", s.dir, string(unit))
			cut.Env = append(os.Environ(), asSupervisor+"="+at)
			cut.Stderr = os.Stderr
			var killed *exec.ExitError
			if err := cut.Run(); !errors.As(err, &killed) || killed.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the supervisor was not cut: %v", err)
			}
			_, found, err := readRecord(s.recordPath(u.Name))
			if err != nil || found != (at == "recorded") {
				t.Errorf("record found: %v, %v", found, err)
			}
			next := New(s.dir, quiet())
			defer func() { _ = next.Close() }()
			first := start(t, ctx, next, u)
			if first.State != fleet.UnitActive {
				t.Errorf("status: %+v", first)
			}
			until(t, "the program ran", func() bool {
				b, _ := os.ReadFile(u.Log)
				return strings.Contains(string(b), "ran\n")
			})
			if b, _ := os.ReadFile(u.Log); string(b) != "ran\n" {
				t.Errorf("the program ran more than once: %q", b)
			}
			if rec, _, err := readRecord(next.recordPath(u.Name)); err != nil || rec.Process.PID != first.PID {
				t.Errorf("record %+v, %v; want pid %d", rec, err, first.PID)
			}
		})
	}
}

// cutSupervisor does what Start does, up to the place where it dies.
func cutSupervisor(at, dir, unitJSON string) int {
	var u fleet.Unit
	if err := json.Unmarshal([]byte(unitJSON), &u); err != nil {
		return 1
	}
	s := New(dir, quiet())
	die := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }
	switch at {
	case "locked":
		if lock, err := tryLock(s.lockPath(u.Name)); err != nil || lock == nil {
			return 1
		}
	case "forked":
		lock, err := tryLock(s.lockPath(u.Name))
		if err != nil || lock == nil {
			return 1
		}
		if _, err := spawn(u, lock); err != nil {
			return 1
		}
	case "recorded":
		if err := s.Start(context.Background(), u); err != nil {
			return 1
		}
	}
	die()
	return 0
}

// TestRealRedis: redis-server overwrites its arguments and its environment, and
// is found by its lock all the same; its last save runs before Stop returns.
func TestRealRedis(t *testing.T) {
	t.Parallel()
	s, u, ctx := setup(t)
	conf := filepath.Join(u.Dir, "redis.conf")
	socket := filepath.Join(u.Dir, "socket")
	text := fmt.Sprintf("port 0\nunixsocket %s\ndir %s\nsave 3600 1\nproc-title-template \"{title} overwritten\"\n", socket, u.Dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	u.Argv = []string{"/usr/bin/redis-server", conf}
	// What is left behind by a supervisor that was cut before its record.
	lock, err := tryLock(s.lockPath(u.Name))
	if err != nil || lock == nil {
		t.Fatal(lock, err)
	}
	pid, err := spawn(u, lock)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "redis-server has its own title", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return strings.Contains(string(b), "overwritten") && !strings.Contains(string(b), conf)
	})
	if st := start(t, ctx, s, u); st.PID != pid {
		t.Errorf("status %+v; want pid %d", st, pid)
	}
	// It makes the socket before it listens there.
	until(t, "redis-server serves", func() bool {
		return exec.CommandContext(ctx, "/usr/bin/redis-cli", "-s", socket, "ping").Run() == nil
	})
	if err := exec.CommandContext(ctx, "/usr/bin/redis-cli", "-s", socket, "set", "a", "b").Run(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(ctx, u.Name); err != nil {
		t.Fatal(err)
	}
	st, err := s.Status(ctx, u.Name)
	if err != nil || st.State != fleet.UnitInactive || st.Exit != "exit status 0" {
		t.Errorf("status after stop: %+v, %v", st, err)
	}
	info, err := os.Stat(filepath.Join(u.Dir, "dump.rdb"))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the data that Redis saved: %v, %v", info, err)
	}
}
