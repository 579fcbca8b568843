package systemd

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Status tells whether the unit's process is there, and how the last one ended.
// A unit that was never started is inactive.
//
// active is what every supervisor means by it: the process is there, also while
// it still loads its data or is being stopped. activating means that there is no
// process and a start is under way: it is queued, or the boot fence holds it back.
// In the second before systemd starts it again by itself (Restart=), it is what
// its end has made it, so that a start can still bring it new settings.
func (s *Supervisor) Status(ctx context.Context, name fleet.InstanceID) (fleet.UnitStatus, error) {
	state, err := s.read(ctx, name)
	if err == nil {
		return state.status(), nil
	}
	if known, ok := s.stillThere(name); ok && ctx.Err() == nil {
		return known, nil
	}
	return fleet.UnitStatus{}, fmt.Errorf("status of %s: %w", name, err)
}

// stillThere is for a systemd that does not answer: a process that was seen before
// and is still in the unit's cgroup runs, whoever can be asked (promise fail-static).
func (s *Supervisor) stillThere(name fleet.InstanceID) (fleet.UnitStatus, bool) {
	s.mu.Lock()
	m := s.units[name]
	s.mu.Unlock()
	unit, err := UnitName(name)
	if err != nil || m.pid == 0 {
		return fleet.UnitStatus{}, false
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", m.pid))
	if err != nil || !strings.Contains(string(groups), "/"+unit) {
		return fleet.UnitStatus{}, false
	}
	return fleet.UnitStatus{State: fleet.UnitActive, PID: m.pid, Invocation: m.invocation}, true
}

// state is what systemd says of a unit, all of one moment.
type state struct {
	active, sub  string
	load, result string
	fragment     string
	pid          int
	invocation   string
	exitCode     int32  // a CLD_ constant of sigaction(2)
	exitStatus   int32  // the exit status, or the signal
	exitAt       uint64 // µs of the monotonic clock; 0 while the process runs
	job          bool
	stale        bool // its files changed since systemd read them
}

// read asks systemd about a unit, and tells an end that it sees.
func (s *Supervisor) read(ctx context.Context, name fleet.InstanceID) (state, error) {
	unit, err := UnitName(name)
	if err != nil {
		return state{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := s.connected()
	if err != nil {
		return state{}, err
	}
	ctx, cancel := bounded(ctx, callTimeout)
	defer cancel()
	p, err := conn.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return state{}, fmt.Errorf("asking systemd about %s: %w", unit, err)
	}
	st := stateOf(p)
	s.noticeLocked(name, st)
	return st, nil
}

func stateOf(p map[string]any) state {
	st := state{
		active: get[string](p, "ActiveState"), sub: get[string](p, "SubState"), load: get[string](p, "LoadState"),
		result: get[string](p, "Result"), fragment: get[string](p, "FragmentPath"),
		pid: int(get[uint32](p, "MainPID")), invocation: hex.EncodeToString(get[[]byte](p, "InvocationID")),
		exitCode: get[int32](p, "ExecMainCode"), exitStatus: get[int32](p, "ExecMainStatus"),
		exitAt: get[uint64](p, "ExecMainExitTimestampMonotonic"), stale: get[bool](p, "NeedDaemonReload"),
	}
	if job := get[[]any](p, "Job"); len(job) > 0 {
		id, _ := job[0].(uint32)
		st.job = id != 0
	}
	return st
}

// get is a property; its zero value where systemd has none of that type.
func get[T any](p map[string]any, name string) T {
	v, _ := p[name].(T)
	return v
}

func (st state) status() fleet.UnitStatus {
	out := fleet.UnitStatus{State: fleet.UnitInactive, Exit: st.exit()}
	switch {
	case st.pid != 0:
		return fleet.UnitStatus{State: fleet.UnitActive, PID: st.pid, Invocation: st.invocation, Stopping: st.active == "deactivating"}
	case st.job && st.active != "deactivating", st.active == "activating" && !st.waits():
		out.State = fleet.UnitActivating
	case st.active == "failed", st.waits() && st.result != "success":
		out.State = fleet.UnitFailed
	}
	return out
}

// waits: the process has ended, and systemd starts it again in a moment.
func (st state) waits() bool { return strings.HasPrefix(st.sub, "auto-restart") }

// neverRan: what ended was systemd's own preparation of the process (a user that
// is not there, a folder that cannot be bound), which has exit statuses from 200
// on (systemd.exec(5), "PROCESS EXIT CODES"); the engines use none of them.
func (st state) neverRan() bool { return st.exitCode == exited && st.exitStatus >= 200 }

// What ended a process, as in sigaction(2): CLD_EXITED, CLD_KILLED, CLD_DUMPED.
const (
	exited = 1
	killed = 2
	dumped = 3
)

// exit words how the last process ended as os/exec does; empty when there was
// none, or systemd has forgotten it.
func (st state) exit() string {
	switch st.exitCode {
	case exited:
		return fmt.Sprintf("exit status %d", st.exitStatus)
	case killed:
		return "signal: " + syscall.Signal(st.exitStatus).String()
	case dumped:
		return "signal: " + syscall.Signal(st.exitStatus).String() + " (core dumped)"
	}
	if st.active == "failed" {
		return "not started: " + st.result
	}
	return ""
}
