// Package process supervises plain processes where there is no systemd: in the
// lab and in containers.
//
// A process that it starts outlives it: its own session, no pipe to the
// supervisor, output to a file. A new Supervisor on the same folder finds the
// processes of the former one again (promise fail-static).
//
// Two things tell which process belongs to a unit, both in the folder:
//
//   - <name>.lock, an flock that is taken before the fork and that the process
//     inherits. The kernel drops it when the last holder is gone, so a second
//     copy cannot be started, wherever the supervisor was cut.
//   - <name>.json, the record: pid, start time and boot id, never the pid alone.
//     If the supervisor died between fork and record, the next one finds the
//     process as the holder of the lock and writes the record.
//
// Arguments and environment cannot serve as marks, because redis-server
// overwrites both with its process title.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/internal/fleet"
)

// The errors that a caller tells apart with errors.Is.
var (
	// ErrStillRunning: the process did not end in the time given; nothing was
	// killed (hazard D2).
	ErrStillRunning = errors.New("process still runs")
	// ErrNoProgram: the unit's program is missing or cannot be executed.
	ErrNoProgram = errors.New("program cannot be run")
	// ErrClosed: the supervisor was closed.
	ErrClosed = errors.New("supervisor is closed")
)

// exitsBuffer is how many exits wait for a reader before the watchers that
// report further ones wait too; none is lost.
const exitsBuffer = 64

// Supervisor starts, stops and watches the units whose records are in one
// folder. It is safe for use by several goroutines, and several Supervisors,
// also in several programs, can share a folder.
type Supervisor struct {
	dir   string
	log   logrus.FieldLogger
	exits chan fleet.InstanceID
	done  chan struct{}
	watch sync.WaitGroup

	mu     sync.Mutex
	closed bool
	units  map[fleet.InstanceID]*unit
}

// unit is what one supervisor knows of a unit.
type unit struct {
	// op holds a token while a Start or Forget works on the unit.
	op chan struct{}

	mu sync.Mutex
	// proc is the process being watched; nil when none runs as far as known.
	proc *watched
}

// New opens the folder of the records, which it makes when it is missing, and
// watches every process that is recorded there and still runs. It never starts
// or stops one. What it cannot read it logs; the unit's own calls then return
// the error.
func New(dir string, log logrus.FieldLogger) *Supervisor {
	s := &Supervisor{
		dir: dir, log: log,
		exits: make(chan fleet.InstanceID, exitsBuffer),
		done:  make(chan struct{}),
		units: map[fleet.InstanceID]*unit{},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		log.WithError(err).Error("cannot make the folder of the process records")
		return s
	}
	names, err := s.List()
	if err != nil {
		log.WithError(err).Error("cannot list the process records")
		return s
	}
	for _, name := range names {
		if _, err := s.find(name); err != nil {
			log.WithError(err).WithField("unit", name).Error("cannot tell whether the unit runs")
		}
	}
	return s
}

// Exits tells the name of each unit whose process has ended, whether this
// supervisor started it or found it. It is closed by Close.
func (s *Supervisor) Exits() <-chan fleet.InstanceID { return s.exits }

// List gives the units of the folder, running or not, in alphabetical order.
func (s *Supervisor) List() ([]fleet.InstanceID, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list units: %w", err)
	}
	seen := map[fleet.InstanceID]bool{}
	for _, e := range entries {
		for _, suffix := range []string{recordSuffix, lockSuffix} {
			if name, ok := strings.CutSuffix(e.Name(), suffix); ok && validName(fleet.InstanceID(name)) {
				seen[fleet.InstanceID(name)] = true
			}
		}
	}
	names := make([]fleet.InstanceID, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool { return names[i] < names[j] })
	return names, nil
}

// Status tells whether the unit's process is there, and how the last one ended.
// A unit that was never started is inactive.
//
// As in systemd, an end by exit status 0, or by SIGTERM, SIGINT, SIGHUP or
// SIGPIPE, leaves the unit inactive, any other one failed. Only the parent
// learns the exit status: when a process that another supervisor started ends,
// Exit is empty, and the unit counts as failed unless Stop had asked for the end.
func (s *Supervisor) Status(ctx context.Context, name fleet.InstanceID) (fleet.UnitStatus, error) {
	if err := ctx.Err(); err != nil {
		return fleet.UnitStatus{}, err
	}
	proc, err := s.find(name)
	if err != nil {
		return fleet.UnitStatus{}, err
	}
	if proc != nil {
		return fleet.UnitStatus{
			State: fleet.UnitActive, PID: proc.id.PID, Invocation: proc.id.String(),
		}, nil
	}
	rec, found, err := readRecord(s.recordPath(name))
	if err != nil || !found {
		return fleet.UnitStatus{State: fleet.UnitInactive}, err
	}
	return rec.status(), nil
}

// Forget removes the record of a unit that does not run. A unit that is not
// known is no error; one that runs is ErrStillRunning.
func (s *Supervisor) Forget(name fleet.InstanceID) error {
	u, err := s.unit(name)
	if err != nil {
		return err
	}
	u.op <- struct{}{}
	defer func() { <-u.op }()
	proc, err := s.find(name)
	if err != nil {
		return err
	}
	if proc != nil {
		return fmt.Errorf("forget %s (pid %d): %w; stop it first", name, proc.id.PID, ErrStillRunning)
	}
	lock, err := tryLock(s.lockPath(name))
	if err != nil {
		return fmt.Errorf("forget %s: %w", name, err)
	}
	if lock == nil {
		return fmt.Errorf("forget %s: %w: something holds its lock %s", name, ErrStillRunning, s.lockPath(name))
	}
	defer func() { _ = lock.Close() }()
	for _, path := range []string{s.recordPath(name), s.lockPath(name)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forget %s: %w", name, err)
		}
	}
	return nil
}

// Close ends the watching. It stops no process, and waits for its own
// goroutines. It may be called more than once.
func (s *Supervisor) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.done)
	units := make([]*unit, 0, len(s.units))
	for _, u := range s.units {
		units = append(units, u)
	}
	s.mu.Unlock()
	for _, u := range units {
		u.mu.Lock()
		if u.proc != nil {
			u.proc.release()
		}
		u.mu.Unlock()
	}
	s.watch.Wait()
	close(s.exits)
	return nil
}

// unit gives the entry of a name, which it makes when it is new.
func (s *Supervisor) unit(name fleet.InstanceID) (*unit, error) {
	if !validName(name) {
		return nil, fmt.Errorf("unit name %q: want letters, digits, dots, underscores and dashes, and no dot first", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	u := s.units[name]
	if u == nil {
		u = &unit{op: make(chan struct{}, 1)}
		s.units[name] = u
	}
	return u, nil
}

// validName keeps a name from leaving the folder.
func validName(name fleet.InstanceID) bool {
	if name == "" || name[0] == '.' {
		return false
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
