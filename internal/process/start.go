package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redfleet/redfleet/internal/fleet"
)

// retryLock is how often a held lock is tried again.
const retryLock = 10 * time.Millisecond

// Start runs the unit's program, detached and with umask 077 (hazard S2), its
// output appended to u.Log. A unit that runs already is left alone, whatever
// its record says of its arguments.
//
// nil means that the process is there, not that it serves: one that fails at
// once shows in Status and Exits. ErrNoProgram means that nothing was started.
// While a child of the unit's former process is left (a background save), Start
// waits for its end as long as ctx allows.
func (s *Supervisor) Start(ctx context.Context, u fleet.Unit) error {
	if err := Check(u); err != nil {
		return fmt.Errorf("start %s: %w", u.Name, err)
	}
	if u.Log == "" {
		return fmt.Errorf("start %s: the unit names no log file", u.Name)
	}
	entry, err := s.unit(u.Name)
	if err != nil {
		return fmt.Errorf("start %s: %w", u.Name, err)
	}
	select {
	case entry.op <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("start %s: %w", u.Name, ctx.Err())
	}
	defer func() { <-entry.op }()
	lock, err := s.claim(ctx, u.Name)
	if err != nil {
		return fmt.Errorf("start %s: %w", u.Name, err)
	}
	if lock == nil {
		return nil
	}
	// The process has inherited the lock; our copy must not keep it.
	defer func() { _ = lock.Close() }()
	if err := s.run(u, entry, lock); err != nil {
		return fmt.Errorf("start %s: %w", u.Name, err)
	}
	return nil
}

// Check finds what is wrong with a unit's program and folder before anything is
// touched; ErrNoProgram for the program.
func Check(u fleet.Unit) error {
	if len(u.Argv) == 0 || !filepath.IsAbs(u.Argv[0]) {
		return fmt.Errorf("%w: %q is no absolute path", ErrNoProgram, u.Argv)
	}
	program := u.Argv[0]
	info, err := os.Stat(program)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNoProgram, err)
	case info.IsDir():
		return fmt.Errorf("%w: %s is a folder", ErrNoProgram, program)
	}
	if err := unix.Access(program, unix.X_OK); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNoProgram, program, err)
	}
	if info, err := os.Stat(u.Dir); err != nil || !info.IsDir() {
		return fmt.Errorf("working directory %q: %w", u.Dir, errors.Join(err, errNotFolder(info)))
	}
	return nil
}

func errNotFolder(info os.FileInfo) error {
	if info == nil || info.IsDir() {
		return nil
	}
	return errors.New("is no folder")
}

// claim takes the unit's lock. nil without an error: the unit runs.
func (s *Supervisor) claim(ctx context.Context, name fleet.InstanceID) (*os.File, error) {
	tick := time.NewTicker(retryLock)
	defer tick.Stop()
	for {
		proc, err := s.find(name)
		if err != nil || proc != nil {
			return nil, err
		}
		lock, err := tryLock(s.lockPath(name))
		if err != nil || lock != nil {
			return lock, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, s.stillHeld(name, ctx.Err())
		}
	}
}

// stillHeld says who keeps a unit from starting.
func (s *Supervisor) stillHeld(name fleet.InstanceID, cause error) error {
	h, err := findHolders(s.lockPath(name))
	if err == nil && len(h.others) > 0 {
		return fmt.Errorf("processes %v, left over from its former process, have not ended: %w", h.others, cause)
	}
	return fmt.Errorf("another supervisor holds %s: %w", s.lockPath(name), cause)
}

// run forks the process and puts it on record. Whatever fails after the fork,
// the process holds the lock, so that the next Start finds it.
func (s *Supervisor) run(u fleet.Unit, entry *unit, lock *os.File) error {
	pid, err := spawn(u, lock)
	if err != nil {
		return err
	}
	entry.mu.Lock()
	defer entry.mu.Unlock()
	id, err := identify(pid)
	if err != nil {
		return fmt.Errorf("pid %d: %w", pid, err)
	}
	// On record first: a process that ends at once is found there by follow.
	rec := record{Process: id, Argv: u.Argv, Log: u.Log}
	if err := writeRecord(s.recordPath(u.Name), rec); err != nil {
		return err
	}
	s.log.WithField("unit", u.Name).WithField("pid", pid).Info("process started")
	w, err := openChild(id)
	if err != nil {
		return err
	}
	return s.watchLocked(u.Name, entry, w)
}

// openChild gets hold of a child that may have ended already: until it is
// reaped its pid is its own, and its end shows as soon as the watch begins.
func openChild(id identity) (*watched, error) {
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch pid %d: %w", id.PID, err)
	}
	return &watched{id: id, ended: make(chan struct{}), fd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// withUmask sets the umask in the new process alone, which Go's own fork
// cannot: a umask set here would be that of every goroutine. It becomes the
// program without a further fork, so pid and start time are the program's.
const withUmask = `umask 077; exec "$@"`

// spawn forks the program: a session of its own, no terminal, no pipe to us,
// the lock as descriptor 3.
func spawn(u fleet.Unit, lock *os.File) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer func() { _ = null.Close() }()
	out, err := os.OpenFile(u.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open the unit's log: %w", err)
	}
	defer func() { _ = out.Close() }()
	argv := append([]string{"sh", "-c", withUmask, "sh"}, u.Argv...)
	p, err := os.StartProcess("/bin/sh", argv, &os.ProcAttr{
		Dir:   u.Dir,
		Env:   environment(),
		Files: []*os.File{null, out, out, lock},
		Sys:   &unix.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("fork: %w", err)
	}
	pid := p.Pid
	return pid, p.Release()
}

// environment is all that a process is given: nothing of ours may leak into it,
// a Consul token least of all (promise secrets-stay-secret).
func environment() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, name := range []string{"LANG", "LC_ALL", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
