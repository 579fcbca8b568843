// Package supervisortest is the conformance test of supervisors: whatever runs
// redfleet's instances must pass it, plain processes and systemd alike.
package supervisortest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Supervisor is what the suite asks of a supervisor.
type Supervisor interface {
	// Start runs a unit; one that runs already is left alone.
	Start(ctx context.Context, u fleet.Unit) error
	// Stop sends SIGTERM and waits until ctx ends; it kills nothing (hazard D2).
	Stop(ctx context.Context, name fleet.InstanceID) error
	// Retire stops a unit, and nothing but a Start runs it again.
	Retire(ctx context.Context, name fleet.InstanceID) error
	// Status tells whether the unit's process is there.
	Status(ctx context.Context, name fleet.InstanceID) (fleet.UnitStatus, error)
	// Exits tells the units whose process has ended.
	Exits() <-chan fleet.InstanceID
	// Close lets go of the units; their processes live on.
	Close() error
}

// Options are what differs between supervisors.
type Options struct {
	// New is called once for each case. It gives a function that opens a
	// supervisor; what is opened later finds the units of the earlier ones, as a
	// restarted agent would.
	New func(t *testing.T) (open func() Supervisor)
	// StillRunning is what Stop's error must be when the process has not ended.
	StillRunning error
	// NoProgram is what Start's error must be when the program is missing.
	NoProgram error
}

// wait bounds everything that must happen; nothing here takes more than a
// fraction of it on an idle machine.
const wait = 10 * time.Second

// Run runs the suite.
func Run(t *testing.T, o Options) {
	var serial atomic.Int64
	for _, c := range []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"a unit that was never started is inactive", neverStarted},
		{"start runs the program and status describes it", startRuns},
		{"start of a running unit changes nothing", startIdempotent},
		{"two starts at once make one process", startTwice},
		{"stop ends the process and leaves it inactive", stopEnds},
		{"stop of a unit that does not run is no error", stopIdle},
		{"a retired unit is down, twice is once, and it can be started again", retires},
		{"stop gives up at its deadline and kills nothing", stopDeadline},
		{"each start has an invocation of its own", invocationChanges},
		{"the end of a process is told", exitTold},
		{"a program that fails at once is failed, with its exit", failsAtOnce},
		{"a program killed by a signal is failed, with the signal", killedFails},
		{"a missing program is a clear error", missingProgram},
		{"output is appended to the log", logAppended},
		{"the process outlives the supervisor, and the next one finds it", outlives},
		{"the next supervisor tells the end of what it found", foundExitTold},
		{"the process has umask 077", umask},
		{"the process does not inherit the environment", environment},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "the process does not inherit the environment" {
				t.Parallel() // that one sets a variable, which must not be parallel
			}
			c.test(t, newBench(t, o, serial.Add(1)))
		})
	}
}

// bench is one test's unit and supervisor.
type bench struct {
	Options
	open func() Supervisor
	s    Supervisor
	u    fleet.Unit
	ctx  context.Context
}

func newBench(t *testing.T, o Options, serial int64) *bench {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 2*wait)
	open := o.New(t)
	b := &bench{Options: o, open: open, s: open(), ctx: ctx, u: fleet.Unit{
		Name: fleet.NewInstanceID(fleet.KindRedis, "conformance", int(serial)),
		Dir:  dir,
		Log:  filepath.Join(dir, "log"),
	}}
	t.Cleanup(func() {
		defer cancel()
		b.s = b.reopen(t)
		b.kill(t)
	})
	b.script(`exec sleep 600`)
	return b
}

// script makes the unit run a shell script.
func (b *bench) script(text string) { b.u.Argv = []string{"/bin/sh", "-c", text} }

// reopen closes the supervisor and opens the next one.
func (b *bench) reopen(t *testing.T) Supervisor {
	t.Helper()
	if err := b.s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	next := b.open()
	t.Cleanup(func() { _ = next.Close() })
	return next
}

func (b *bench) start(t *testing.T) fleet.UnitStatus {
	t.Helper()
	if err := b.s.Start(b.ctx, b.u); err != nil {
		t.Fatalf("start: %v", err)
	}
	return b.status(t)
}

func (b *bench) status(t *testing.T) fleet.UnitStatus {
	t.Helper()
	st, err := b.s.Status(b.ctx, b.u.Name)
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	return st
}

// kill ends the unit's process as a crash would.
func (b *bench) kill(t *testing.T) {
	t.Helper()
	st := b.status(t)
	if st.State != fleet.UnitActive {
		return
	}
	if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
		t.Errorf("kill pid %d: %v", st.PID, err)
	}
	b.until(t, "the killed process is gone", func() bool { return b.status(t).State != fleet.UnitActive })
}

// until polls a condition.
func (b *bench) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(wait); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s; log: %s", wait, what, b.log(t))
		}
	}
}

// told waits until the supervisor tells the end of the unit's process.
func (b *bench) told(t *testing.T) {
	t.Helper()
	limit := time.NewTimer(wait)
	defer limit.Stop()
	for {
		select {
		case name := <-b.s.Exits():
			if name == b.u.Name {
				return
			}
		case <-limit.C:
			t.Fatalf("no exit of %s was told within %v", b.u.Name, wait)
		}
	}
}

func (b *bench) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(b.u.Log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// ready waits for a line that the script writes.
func (b *bench) ready(t *testing.T, line string) {
	t.Helper()
	b.until(t, "the log holds "+line, func() bool { return strings.Contains(b.log(t), line+"\n") })
}
