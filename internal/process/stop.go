package process

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Stop asks the unit's process to end (SIGTERM) and waits for that until ctx
// ends; then the error is ErrStillRunning, and the process is left as it is
// (hazard D2: a Redis that cannot write its data refuses to go). A unit that
// does not run is no error.
func (s *Supervisor) Stop(ctx context.Context, name fleet.InstanceID) error {
	return s.end(ctx, name, unix.SIGTERM)
}

// Retire stops the unit, as Stop does. Nothing else starts a plain process.
func (s *Supervisor) Retire(ctx context.Context, name fleet.InstanceID) error {
	return s.Stop(ctx, name)
}

// Kill ends the unit's process with SIGKILL and waits for the end. It is for
// the lab and its tests, where it stands for a crash; nothing else calls it.
func (s *Supervisor) Kill(ctx context.Context, name fleet.InstanceID) error {
	return s.end(ctx, name, unix.SIGKILL)
}

func (s *Supervisor) end(ctx context.Context, name fleet.InstanceID, sig unix.Signal) error {
	proc, err := s.find(name)
	if err != nil || proc == nil {
		return err
	}
	if sig == unix.SIGTERM {
		if err := s.recordStopping(name, proc.id); err != nil {
			return fmt.Errorf("stop %s (pid %d): %w; no signal was sent", name, proc.id.PID, err)
		}
	}
	if err := proc.signal(sig); err != nil {
		return fmt.Errorf("send %s to %s (pid %d): %w", unix.SignalName(sig), name, proc.id.PID, err)
	}
	select {
	case <-proc.ended:
		return nil
	case <-s.done:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("%s (pid %d) has not ended after %s: %w; nothing was killed (%w); its log says what it waits for",
			name, proc.id.PID, unix.SignalName(sig), ErrStillRunning, ctx.Err())
	}
}

// recordStopping keeps the wish on disk, so that a later supervisor takes the
// end for a stop and not for a failure.
func (s *Supervisor) recordStopping(name fleet.InstanceID, id identity) error {
	u, err := s.unit(name)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	path := s.recordPath(name)
	rec, found, err := readRecord(path)
	if err != nil || !found || rec.Process != id || rec.Ended {
		return err
	}
	rec.Stopping = true
	return writeRecord(path, rec)
}
