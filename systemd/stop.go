package systemd

import (
	"context"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// lookStarting is how often a unit is looked at while something is waited for.
const lookStarting = 20 * time.Millisecond

// Stop asks systemd to stop the unit (SIGTERM), also one that waits to be started
// again, and waits until its process has ended, at most until ctx ends; then the
// error is ErrStillRunning. Nothing is killed by that (hazard D2: a Redis that
// cannot write its data refuses to go), but systemd does so in the end, after the
// unit's TimeoutStopSec. A unit that does not run is no error.
func (s *Supervisor) Stop(ctx context.Context, name fleet.InstanceID) error {
	st, err := s.read(s.ctx, name)
	if err == nil && st.down() {
		return nil
	}
	var unit string
	if err == nil {
		unit, err = s.submitStop(name)
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return s.awaitStop(ctx, name, unit)
}

// Retire keeps systemd from starting the unit at a boot, and stops it as Stop does.
// The disabling comes first: a unit that is slow to end is not started again even
// where the machine goes down meanwhile. Doing it again changes nothing.
func (s *Supervisor) Retire(ctx context.Context, name fleet.InstanceID) error {
	unit, err := UnitName(name)
	if err == nil {
		err = s.disable(unit)
	}
	if err != nil {
		return fmt.Errorf("retire %s: %w", name, err)
	}
	return s.Stop(ctx, name)
}

func (s *Supervisor) disable(unit string) error {
	s.op.Lock()
	defer s.op.Unlock()
	conn, err := s.connection()
	if err != nil {
		return err
	}
	ctx, cancel := bounded(s.ctx, callTimeout)
	defer cancel()
	if _, err := conn.DisableUnitFilesContext(ctx, []string{unit}, false); err != nil {
		return fmt.Errorf("systemd cannot disable %s: %w", unit, err)
	}
	return nil
}

// submitStop asks for the stop; a caller's deadline is for the wait that follows.
func (s *Supervisor) submitStop(name fleet.InstanceID) (unit string, err error) {
	if unit, err = UnitName(name); err != nil {
		return "", err
	}
	conn, err := s.connection()
	if err != nil {
		return "", err
	}
	ctx, cancel := bounded(s.ctx, callTimeout)
	defer cancel()
	if _, err := conn.StopUnitContext(ctx, unit, "replace", nil); err != nil {
		return "", fmt.Errorf("systemd refuses to stop %s: %w", unit, err)
	}
	return unit, nil
}

func (s *Supervisor) awaitStop(ctx context.Context, name fleet.InstanceID, unit string) error {
	tick := time.NewTicker(lookStarting)
	defer tick.Stop()
	var last state
	for {
		st, err := s.read(s.ctx, name)
		if err == nil {
			last = st
			if st.down() {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
			if last.pid == 0 {
				return fmt.Errorf("stop %s: %s is %s (%s): %w", name, unit, last.active, last.sub, ctx.Err())
			}
			return fmt.Errorf("%s (%s, pid %d) has not ended after SIGTERM: %w; nothing was killed (%w); journalctl -u %s says what it waits for",
				name, unit, last.pid, ErrStillRunning, ctx.Err(), unit)
		}
	}
}

// down: there is no process, and systemd will start none by itself.
func (st state) down() bool {
	return st.pid == 0 && !st.job && (st.active == "inactive" || st.active == "failed")
}
