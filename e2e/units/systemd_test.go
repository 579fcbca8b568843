//go:build e2e

package units

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/systemd"
)

// The cases of TestSupervisor that run on the machine and are about systemd alone.

// sleeper is a unit with the template that is restarted.
func sleeper(t *testing.T, name fleet.InstanceID) fleet.Unit {
	t.Helper()
	return fleet.Unit{Name: name, Dir: t.TempDir(), Argv: []string{"/bin/sleep", "600"}}
}

func open(t *testing.T) (context.Context, *systemd.Supervisor) {
	t.Helper()
	s := newSupervisor()
	t.Cleanup(func() { check(t, s.Close()) })
	return machinetest.Context(t, time.Minute), s
}

func status(ctx context.Context, t *testing.T, s *systemd.Supervisor, name fleet.InstanceID) fleet.UnitStatus {
	t.Helper()
	st, err := s.Status(ctx, name)
	check(t, err)
	return st
}

func await(ctx context.Context, t *testing.T, s *systemd.Supervisor, name fleet.InstanceID, want fleet.UnitState) fleet.UnitStatus {
	t.Helper()
	var st fleet.UnitStatus
	machinetest.Eventually(ctx, t, 10*time.Second, fmt.Sprintf("%s is %s", name, want), func() bool {
		st = status(ctx, t, s, name)
		return st.State == want
	})
	return st
}

func awaitExit(t *testing.T, s *systemd.Supervisor, want fleet.InstanceID) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case name := <-s.Exits():
			if name == want {
				return
			}
		case <-limit:
			t.Fatalf("the end of %s was not told", want)
		}
	}
}

// restarts: systemd starts a crashed instance again by itself. Its end is told all
// the same, Status says how it ended, and then that another process runs.
func restarts(t *testing.T) {
	ctx, s := open(t)
	u := sleeper(t, "sentinel-restarts-1")
	// The time between crash and restart has to be seen, and this test may be late by
	// more than the shipped second.
	unit, err := systemd.UnitName(u.Name)
	check(t, err)
	dropIn := "/etc/systemd/system/" + unit + ".d"
	check(t, os.MkdirAll(dropIn, 0o755))
	check(t, os.WriteFile(dropIn+"/90-test.conf", []byte("[Service]\nRestartSec=3s\n"), 0o644))
	check(t, s.Start(ctx, u))
	before := status(ctx, t, s, u.Name)
	check(t, syscall.Kill(before.PID, syscall.SIGKILL))
	if st := await(ctx, t, s, u.Name, fleet.UnitFailed); st.Exit != "signal: killed" || st.PID != 0 {
		t.Errorf("between crash and restart: %+v", st)
	}
	awaitExit(t, s, u.Name)
	after := await(ctx, t, s, u.Name, fleet.UnitActive)
	if after.PID == before.PID || after.Invocation == before.Invocation {
		t.Errorf("before %+v, after %+v", before, after)
	}
	check(t, s.Stop(ctx, u.Name))
	if st := status(ctx, t, s, u.Name); st.State != fleet.UnitInactive {
		t.Errorf("after stop: %+v", st)
	}
}

// fenceHolds: while the boot fence holds an instance, Start gives up at its
// deadline without an error of its own, Status says activating, and neither of
// them disturbs what is under way. Stop ends it.
func fenceHolds(t *testing.T) {
	ctx, s := open(t)
	u := sleeper(t, "sentinel-fence-1")
	hold := "/run/hold-fence-1"
	check(t, os.WriteFile(hold, nil, 0o600))
	for range 2 {
		// Long enough for the reload before it, so that it ends in the fence's time.
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := s.Start(short, u)
		cancel()
		if !errors.Is(err, systemd.ErrUnderWay) {
			t.Fatalf("start while the fence holds: %v", err)
		}
		if st := status(ctx, t, s, u.Name); st.State != fleet.UnitActivating || st.PID != 0 {
			t.Errorf("while the fence holds: %+v", st)
		}
	}
	check(t, os.Remove(hold))
	await(ctx, t, s, u.Name, fleet.UnitActive)
	check(t, os.WriteFile(hold, nil, 0o600))
	check(t, syscall.Kill(status(ctx, t, s, u.Name).PID, syscall.SIGKILL))
	await(ctx, t, s, u.Name, fleet.UnitActivating)
	check(t, s.Stop(ctx, u.Name))
	if st := status(ctx, t, s, u.Name); st.State == fleet.UnitActive || st.State == fleet.UnitActivating {
		t.Errorf("after stop: %+v", st)
	}
	check(t, os.Remove(hold))
}

// reloads: a unit that failed stays in systemd's memory with its old settings; its
// next start has the new ones, also while somebody else reloads at the same moment
// (hazard M3).
func reloads(t *testing.T) {
	ctx, s := open(t)
	others, stop := context.WithCancel(ctx)
	done := make(chan int)
	go func() {
		n := 0
		for ; others.Err() == nil; n++ {
			_ = exec.CommandContext(others, "systemctl", "daemon-reload").Run()
			time.Sleep(200 * time.Millisecond) // systemd does nothing else while it reloads
		}
		done <- n
	}()
	for i := range 3 {
		u := sleeper(t, fleet.InstanceID(fmt.Sprintf("redis-reloads-%d", i)))
		u.Argv = []string{"/bin/sh", "-c", "exit 3"}
		check(t, s.Start(ctx, u))
		await(ctx, t, s, u.Name, fleet.UnitFailed)
		u.Argv = []string{"/bin/sleep", "600"}
		check(t, s.Start(ctx, u))
		unit, err := systemd.UnitName(u.Name)
		check(t, err)
		machinetest.Eventually(ctx, t, 10*time.Second, unit+" runs what its drop-in says", func() bool {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", status(ctx, t, s, u.Name).PID))
			return err == nil && strings.HasPrefix(string(line), "/bin/sleep\x00600")
		})
		check(t, s.Stop(ctx, u.Name))
	}
	stop()
	t.Logf("%d reloads meanwhile", <-done)
}

// reconnect: the supervisor finds its way back to a D-Bus and a systemd that were
// restarted, and misses no end.
func reconnect(t *testing.T) {
	ctx, s := open(t)
	u := sleeper(t, "sentinel-reconnect-1")
	check(t, s.Start(ctx, u))
	for _, argv := range [][]string{{"restart", "dbus.service"}, {"daemon-reexec"}} {
		before := await(ctx, t, s, u.Name, fleet.UnitActive)
		if out, err := exec.CommandContext(ctx, "systemctl", argv...).CombinedOutput(); err != nil {
			t.Fatalf("systemctl %v: %v: %s", argv, err, out)
		}
		machinetest.Eventually(ctx, t, 10*time.Second, "systemd answers after "+argv[0], func() bool {
			st, err := s.Status(ctx, u.Name)
			return err == nil && st == before
		})
		check(t, syscall.Kill(before.PID, syscall.SIGKILL))
		awaitExit(t, s, u.Name)
	}
	await(ctx, t, s, u.Name, fleet.UnitActive)
	check(t, s.Stop(ctx, u.Name))
}
