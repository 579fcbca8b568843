package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/process/supervisortest"
)

func TestMain(m *testing.M) {
	if at := os.Getenv(asSupervisor); at != "" {
		os.Exit(cutSupervisor(at, os.Args[1], os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

func quiet() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

func TestConformance(t *testing.T) {
	supervisortest.Run(t, supervisortest.Options{
		New: func(t *testing.T) func() supervisortest.Supervisor {
			dir := t.TempDir()
			return func() supervisortest.Supervisor { return New(dir, quiet()) }
		},
		StillRunning: ErrStillRunning,
		NoProgram:    ErrNoProgram,
	})
}

// setup gives a supervisor on a new folder and a unit; the unit's process is
// killed at the end.
func setup(t *testing.T) (*Supervisor, fleet.Unit, context.Context) {
	t.Helper()
	dir := t.TempDir()
	s := New(filepath.Join(dir, "units"), quiet())
	u := fleet.Unit{
		Name: "redis-main-6379", Argv: []string{"/bin/sleep", "600"},
		Dir: dir, Log: filepath.Join(dir, "log"),
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(func() {
		defer cancel()
		_ = s.Close()
		last := New(filepath.Join(dir, "units"), quiet())
		if err := last.Kill(ctx, u.Name); err != nil {
			t.Errorf("clean up: %v", err)
		}
		if err := last.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, u, ctx
}

func start(t *testing.T, ctx context.Context, s *Supervisor, u fleet.Unit) fleet.UnitStatus {
	t.Helper()
	if err := s.Start(ctx, u); err != nil {
		t.Fatalf("start: %v", err)
	}
	st, err := s.Status(ctx, u.Name)
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	return st
}

func TestKillForgetAndList(t *testing.T) {
	t.Parallel()
	s, u, ctx := setup(t)
	start(t, ctx, s, u)
	if err := s.Forget(u.Name); !errors.Is(err, ErrStillRunning) {
		t.Errorf("forget while it runs: %v", err)
	}
	if err := s.Kill(ctx, u.Name); err != nil {
		t.Fatalf("kill: %v", err)
	}
	st, err := s.Status(ctx, u.Name)
	if err != nil || st.State != fleet.UnitFailed || st.Exit != "signal: killed" {
		t.Errorf("status after kill: %+v, %v", st, err)
	}
	names, err := s.List()
	if diff := cmp.Diff([]fleet.InstanceID{u.Name}, names); err != nil || diff != "" {
		t.Errorf("list: %v\n%s", err, diff)
	}
	for range 2 {
		if err := s.Forget(u.Name); err != nil {
			t.Errorf("forget: %v", err)
		}
	}
	if names, err := s.List(); err != nil || len(names) != 0 {
		t.Errorf("list after forget: %v, %v", names, err)
	}
	if _, err := os.Stat(s.lockPath(u.Name)); !os.IsNotExist(err) {
		t.Errorf("the lock file is still there: %v", err)
	}
}

// TestStartAgainAtOnce: what frees the lock is the end of the process, so that
// a restart never waits.
func TestStartAgainAtOnce(t *testing.T) {
	t.Parallel()
	s, u, ctx := setup(t)
	seen := map[string]bool{}
	for range 10 {
		seen[start(t, ctx, s, u).Invocation] = true
		if err := s.Kill(ctx, u.Name); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d invocations of 10 starts", len(seen))
	}
}

// TestLeftover: a child of the former process (a background save of Redis)
// keeps the unit from starting, since it may still write the unit's files.
func TestLeftover(t *testing.T) {
	t.Parallel()
	s, u, ctx := setup(t)
	u.Argv = []string{"/bin/sh", "-c", `sleep 600 & echo child $!; wait`}
	start(t, ctx, s, u)
	child := 0
	until(t, "the child is there", func() bool {
		b, _ := os.ReadFile(u.Log)
		_, err := fmt.Sscanf(string(b), "child %d\n", &child)
		return err == nil
	})
	if err := s.Kill(ctx, u.Name); err != nil {
		t.Fatal(err)
	}
	// Not over before Start has looked, on a busy machine too.
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := s.Start(short, u)
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(child)) {
		t.Errorf("start beside the child %d: %v", child, err)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v is no deadline", err)
	}
	started := make(chan error, 1)
	go func() { started <- s.Start(ctx, u) }()
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Errorf("start after the end of the child: %v", err)
	}
	// The second process has a child too, which must not outlive the test.
	until(t, "the second child is there", func() bool {
		b, _ := os.ReadFile(u.Log)
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		if len(lines) != 2 {
			return false
		}
		_, err := fmt.Sscanf(lines[1], "child %d", &child)
		return err == nil
	})
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// TestReusedPid: a pid on record that belongs to another process by now, here
// to this test, is never taken for the unit's.
func TestReusedPid(t *testing.T) {
	t.Parallel()
	mine, err := identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		edit func(*identity)
	}{
		{"another start time", func(id *identity) { id.Start-- }},
		{"another boot", func(id *identity) { id.Boot = "00000000-0000-0000-0000-000000000000" }},
		{"no such pid", func(id *identity) { id.PID = 1 << 30 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, u, ctx := setup(t)
			id := mine
			c.edit(&id)
			if err := writeRecord(s.recordPath(u.Name), record{Process: id}); err != nil {
				t.Fatal(err)
			}
			if err := s.Stop(ctx, u.Name); err != nil {
				t.Errorf("stop: %v", err)
			}
			st, err := s.Status(ctx, u.Name)
			if err != nil || st.State != fleet.UnitFailed || st.PID != 0 {
				t.Errorf("status: %+v, %v", st, err)
			}
			if st := start(t, ctx, s, u); st.PID == os.Getpid() || st.State != fleet.UnitActive {
				t.Errorf("status after start: %+v", st)
			}
		})
	}
}

func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	s, u, ctx := setup(t)
	if err := os.WriteFile(s.recordPath(u.Name), []byte(`{"process":`), 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Start(ctx, u)
	if err == nil || !strings.Contains(err.Error(), s.recordPath(u.Name)) {
		t.Errorf("start with a damaged record: %v", err)
	}
	if err := os.Remove(s.recordPath(u.Name)); err != nil {
		t.Fatal(err)
	}
	start(t, ctx, s, u)
}

func TestNamesStayInTheFolder(t *testing.T) {
	t.Parallel()
	s, u, ctx := setup(t)
	for _, name := range []fleet.InstanceID{"", ".", "..", "../x", "a/b", ".hidden", "a b"} {
		u.Name = name
		if err := s.Start(ctx, u); err == nil {
			t.Errorf("a unit named %q was started", name)
		}
	}
	u.Name = "redis-main-6379"
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s, u, ctx := setup(t)
	start(t, ctx, s, u)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, open := <-s.Exits(); open {
		t.Error("Exits tells something after Close")
	}
	if err := s.Start(ctx, u); !errors.Is(err, ErrClosed) {
		t.Errorf("start after close: %v", err)
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10s: %s", what)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 200"
	for _, c := range []struct {
		name, text string
		want       procStat
		bad        bool
	}{
		{name: "plain", text: "77 (redis-server)" + rest, want: procStat{session: 77, start: 123456}},
		{name: "blanks and brackets in the name", text: "77 (a) b (c)" + rest, want: procStat{session: 77, start: 123456}},
		{name: "no name", text: "77", bad: true},
		{name: "too short", text: "77 (x) S 1 77 77", bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseStat(c.text)
			if got != c.want || (err != nil) != c.bad {
				t.Errorf("parseStat: %+v, %v", got, err)
			}
		})
	}
}
