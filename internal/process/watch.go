package process

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/redfleet/redfleet/internal/fleet"
)

// watched is a process that runs and whose end will be seen. Its pidfd names
// that process and no later one of the same pid, so a signal never goes astray.
type watched struct {
	// released: this side ended the wait.
	released atomic.Bool
	id       identity
	fd       *os.File
	// ended is closed when the end is on record.
	ended chan struct{}
}

// open gets hold of the process of an identity; errGone when it has ended or
// the pid belongs to another process by now.
func open(id identity) (*watched, error) {
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("watch pid %d: %w", id.PID, err)
	}
	w := &watched{
		id: id, ended: make(chan struct{}),
		// A non-blocking descriptor is waited for by Go's own poller: no thread
		// sits in a system call for it.
		fd: os.NewFile(uintptr(fd), "pidfd"),
	}
	// Only now is the comparison sound: while the pidfd is open and the process
	// unreaped, the pid cannot go to another one.
	now, err := identify(id.PID)
	if err == nil && now != id {
		err = errGone
	}
	if err == nil && hasEnded(fd) {
		err = errGone
	}
	if err != nil {
		w.release()
		return nil, err
	}
	return w, nil
}

// hasEnded polls a pidfd, which is readable from the end of the process on,
// reaped or not (pidfd_open(2)).
func hasEnded(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor fits
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

// wait returns when the process has ended; os.ErrClosed when release came first.
func (w *watched) wait() error {
	conn, err := w.fd.SyscallConn()
	if err != nil {
		return err
	}
	err = conn.Read(func(fd uintptr) bool { return hasEnded(int(fd)) })
	if err != nil && w.released.Load() {
		return os.ErrClosed // the poller has a word of its own for it
	}
	return err
}

// signal sends a signal; to a process that has ended it does nothing.
func (w *watched) signal(sig unix.Signal) error {
	conn, err := w.fd.SyscallConn()
	if err != nil {
		return ignoreClosed(err)
	}
	var sent error
	err = conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	if err != nil {
		return ignoreClosed(err)
	}
	if errors.Is(sent, unix.ESRCH) {
		return nil
	}
	return sent
}

// ignoreClosed: the pidfd is closed once the end of the process was seen.
func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// release ends a wait and frees the descriptor.
func (w *watched) release() {
	w.released.Store(true)
	_ = w.fd.Close()
}

// find gives the process that runs for a unit; nil when none does. It looks at
// what is watched already, then at the record, then for a holder of the lock.
func (s *Supervisor) find(name fleet.InstanceID) (*watched, error) {
	u, err := s.unit(name)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.proc != nil {
		return u.proc, nil
	}
	rec, found, err := readRecord(s.recordPath(name))
	if err != nil {
		return nil, err
	}
	if found && !rec.Ended {
		w, err := open(rec.Process)
		if err == nil {
			return w, s.watchLocked(name, u, w)
		}
		if !errors.Is(err, errGone) {
			return nil, err
		}
	}
	return s.adoptLocked(name, u)
}

// adoptLocked looks for a process that inherited the unit's lock but is not on
// record: its supervisor was cut between the fork and the record.
func (s *Supervisor) adoptLocked(name fleet.InstanceID, u *unit) (*watched, error) {
	isHeld, err := held(s.lockPath(name))
	if err != nil || !isHeld {
		return nil, err
	}
	h, err := findHolders(s.lockPath(name))
	if err != nil || h.leader == 0 {
		return nil, err
	}
	id, err := identify(h.leader)
	if errors.Is(err, errGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w, err := open(id)
	if errors.Is(err, errGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := writeRecord(s.recordPath(name), record{Process: id}); err != nil {
		w.release()
		return nil, err
	}
	s.log.WithField("unit", name).WithField("pid", id.PID).Info("found the unit's process again by its lock")
	return w, s.watchLocked(name, u, w)
}

// watchLocked begins to wait for the end of a process. The caller holds u.mu.
func (s *Supervisor) watchLocked(name fleet.InstanceID, u *unit, w *watched) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		w.release()
		return ErrClosed
	}
	u.proc = w
	s.watch.Go(func() { s.follow(name, u, w) })
	return nil
}

// follow waits for the end of a process, reaps it, puts the end on record and
// reports it.
func (s *Supervisor) follow(name fleet.InstanceID, u *unit, w *watched) {
	if err := w.wait(); err != nil {
		if ignoreClosed(err) != nil {
			s.log.WithError(err).WithField("unit", name).Error("cannot watch the process any more; its end will go unseen")
		}
		return
	}
	e := reap(w.id.PID)
	u.mu.Lock()
	if err := s.recordEnd(name, w.id, e); err != nil {
		s.log.WithError(err).WithField("unit", name).Error("cannot put the end of the process on record")
	}
	u.proc = nil
	u.mu.Unlock()
	close(w.ended)
	w.release()
	s.log.WithField("unit", name).WithField("pid", w.id.PID).WithField("exit", e.text).Info("process ended")
	select {
	case s.exits <- name:
	case <-s.done:
	}
}

// recordEnd completes the record of a process. What the parent found out is
// never replaced by the "not known" of another supervisor.
func (s *Supervisor) recordEnd(name fleet.InstanceID, id identity, e ending) error {
	path := s.recordPath(name)
	rec, found, err := readRecord(path)
	if err != nil {
		return err
	}
	if !found || rec.Process != id || rec.Ended && !e.known {
		return nil
	}
	rec.Ended = true
	rec.Exit = e.text
	rec.Failed = e.failed
	if !e.known {
		rec.Failed = !rec.Stopping
	}
	return writeRecord(path, rec)
}
