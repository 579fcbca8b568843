package supervisortest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

func retires(t *testing.T, b *bench) {
	if err := b.s.Retire(b.ctx, b.u.Name); err != nil {
		t.Errorf("retiring a unit that was never started: %v", err)
	}
	first := b.start(t)
	for range 2 {
		if err := b.s.Retire(b.ctx, b.u.Name); err != nil {
			t.Errorf("retire: %v", err)
		}
		if st := b.status(t); st.State == fleet.UnitActive || st.State == fleet.UnitActivating {
			t.Errorf("status after retire: %+v", st)
		}
	}
	if again := b.start(t); again.State != fleet.UnitActive || again.Invocation == first.Invocation {
		t.Errorf("status after another start: %+v", again)
	}
}

func neverStarted(t *testing.T, b *bench) {
	if diff := cmp.Diff(fleet.UnitStatus{State: fleet.UnitInactive}, b.status(t)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func startRuns(t *testing.T, b *bench) {
	b.script(`pwd; exec sleep 600`)
	st := b.start(t)
	if st.State != fleet.UnitActive || st.PID <= 1 || st.Invocation == "" || st.Exit != "" {
		t.Errorf("status after start: %+v", st)
	}
	b.ready(t, b.u.Dir)
	b.until(t, "the pid is the program itself", func() bool {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(st.PID), "cmdline"))
		return err == nil && strings.HasPrefix(string(line), "sleep\x00600")
	})
}

func startIdempotent(t *testing.T, b *bench) {
	first := b.start(t)
	if diff := cmp.Diff(first, b.start(t)); diff != "" {
		t.Errorf("second start (-first +second):\n%s", diff)
	}
}

func startTwice(t *testing.T, b *bench) {
	b.script(`echo once; exec sleep 600`)
	other := b.open()
	t.Cleanup(func() { _ = other.Close() })
	results := make(chan error, 2)
	for _, s := range []Supervisor{b.s, other} {
		go func() { results <- s.Start(b.ctx, b.u) }()
	}
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("start: %v", err)
		}
	}
	b.ready(t, "once")
	st, err := other.Status(b.ctx, b.u.Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.status(t), st); diff != "" {
		t.Errorf("the two supervisors differ:\n%s", diff)
	}
	if n := strings.Count(b.log(t), "once"); n != 1 {
		t.Errorf("the program ran %d times", n)
	}
}

func stopEnds(t *testing.T, b *bench) {
	st := b.start(t)
	if err := b.s.Stop(b.ctx, b.u.Name); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if got := b.status(t); got.State != fleet.UnitInactive || got.PID != 0 {
		t.Errorf("status after stop: %+v", got)
	}
	if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(st.PID))); err == nil {
		t.Errorf("pid %d is still there: not ended, or not reaped", st.PID)
	}
}

func stopIdle(t *testing.T, b *bench) {
	if err := b.s.Stop(b.ctx, b.u.Name); err != nil {
		t.Errorf("stop of a unit that was never started: %v", err)
	}
	b.start(t)
	for range 2 {
		if err := b.s.Stop(b.ctx, b.u.Name); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
}

func stopDeadline(t *testing.T, b *bench) {
	b.script(`trap '' TERM; echo ready; while :; do sleep 0.05; done`)
	before := b.start(t)
	b.ready(t, "ready")
	ctx, cancel := context.WithTimeout(b.ctx, 150*time.Millisecond)
	defer cancel()
	err := b.s.Stop(ctx, b.u.Name)
	if !errors.Is(err, b.StillRunning) {
		t.Fatalf("stop: %v; want %v", err, b.StillRunning)
	}
	for _, want := range []string{string(b.u.Name), strconv.Itoa(before.PID), "nothing was killed"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	after := b.status(t)
	after.Stopping = before.Stopping // which it is, where the supervisor can tell
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the process was touched (-before +after):\n%s", diff)
	}
}

func invocationChanges(t *testing.T, b *bench) {
	first := b.start(t)
	b.kill(t)
	second := b.start(t)
	if first.Invocation == second.Invocation {
		t.Errorf("both starts have the invocation %q", first.Invocation)
	}
}

func exitTold(t *testing.T, b *bench) {
	b.start(t)
	b.kill(t)
	b.told(t)
}

func failsAtOnce(t *testing.T, b *bench) {
	b.script(`exit 3`)
	b.start(t)
	b.told(t)
	st := b.status(t)
	if st.State != fleet.UnitFailed || st.Exit != "exit status 3" || st.PID != 0 {
		t.Errorf("status: %+v; want failed with exit status 3", st)
	}
}

func killedFails(t *testing.T, b *bench) {
	b.start(t)
	b.kill(t)
	if st := b.status(t); st.State != fleet.UnitFailed || st.Exit != "signal: killed" {
		t.Errorf("status: %+v; want failed by signal: killed", st)
	}
}

func missingProgram(t *testing.T, b *bench) {
	plain := filepath.Join(b.u.Dir, "not-executable")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, program string }{
		{"missing", filepath.Join(b.u.Dir, "no-such-program")},
		{"a folder", b.u.Dir},
		{"not executable", plain},
	} {
		b.u.Argv = []string{c.program}
		err := b.s.Start(b.ctx, b.u)
		if !errors.Is(err, b.NoProgram) || !strings.Contains(err.Error(), c.program) {
			t.Errorf("%s: error %v; want %v that names %s", c.name, err, b.NoProgram, c.program)
		}
	}
	if st := b.status(t); st.State != fleet.UnitInactive {
		t.Errorf("status: %+v", st)
	}
}

func logAppended(t *testing.T, b *bench) {
	b.script(`echo to stdout; echo to stderr >&2`)
	for range 2 {
		b.start(t)
		b.told(t)
	}
	if want := "to stdout\nto stderr\nto stdout\nto stderr\n"; b.log(t) != want {
		t.Errorf("log %q; want %q", b.log(t), want)
	}
	info, err := os.Stat(b.u.Log)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("log has mode %o", mode)
	}
}

func outlives(t *testing.T, b *bench) {
	before := b.start(t)
	b.s = b.reopen(t)
	if diff := cmp.Diff(before, b.status(t)); diff != "" {
		t.Errorf("status by the next supervisor (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(before, b.start(t)); diff != "" {
		t.Errorf("start by the next supervisor (-before +after):\n%s", diff)
	}
	if err := b.s.Stop(b.ctx, b.u.Name); err != nil {
		t.Errorf("stop by the next supervisor: %v", err)
	}
	if st := b.status(t); st.State != fleet.UnitInactive {
		t.Errorf("status after stop: %+v", st)
	}
}

func foundExitTold(t *testing.T, b *bench) {
	b.start(t)
	b.s = b.reopen(t)
	b.kill(t)
	b.told(t)
	if st := b.status(t); st.State != fleet.UnitFailed {
		t.Errorf("status: %+v; want failed", st)
	}
}

func umask(t *testing.T, b *bench) {
	b.script(`umask`)
	b.start(t)
	b.told(t)
	if got := strings.TrimSpace(b.log(t)); got != "0077" {
		t.Errorf("umask %s", got)
	}
}

func environment(t *testing.T, b *bench) {
	t.Setenv("CONSUL_HTTP_TOKEN", "planted-token")
	b.script(`env`)
	b.start(t)
	b.told(t)
	if got := b.log(t); strings.Contains(got, "planted-token") || !strings.Contains(got, "PATH=") {
		t.Errorf("environment of the process:\n%s", got)
	}
}
