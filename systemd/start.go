package systemd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/process"
)

// Start writes the unit's drop-in, lets systemd read it, enables the unit and
// starts it. A unit whose process is there is left alone, whatever its files say.
//
// nil means that the process is there, or has ended again already, which Status
// and Exits tell. ErrUnderWay means that ctx ended while systemd was at it, or that
// it starts the unit in a moment anyway. What state the unit is in is always
// read anew, never taken from the end of the job (hazard M3). ErrNoProgram means
// that nothing was done.
func (s *Supervisor) Start(ctx context.Context, u fleet.Unit) error {
	if err := s.start(ctx, u); err != nil {
		return fmt.Errorf("start %s: %w", u.Name, err)
	}
	return nil
}

func (s *Supervisor) start(ctx context.Context, u fleet.Unit) error {
	if err := process.Check(u); err != nil {
		return err
	}
	st, err := s.read(ctx, u.Name)
	if err != nil || st.pid != 0 {
		return err
	}
	unit, err := UnitName(u.Name)
	if err != nil {
		return err
	}
	a := attempt{name: u.Name, unit: unit, exitAt: st.exitAt, ends: s.ends(u.Name), done: make(chan string, 1)}
	if err := s.submit(unit, u, a.done); err != nil {
		return err
	}
	return s.awaitStart(ctx, a)
}

// submit brings the unit's files up to date and asks for the start. It is not cut
// short by a caller's deadline: what was begun here ends anyway, and a reload takes
// its time on a machine with many units.
func (s *Supervisor) submit(unit string, u fleet.Unit, done chan<- string) error {
	s.op.Lock()
	defer s.op.Unlock()
	conn, err := s.connection()
	if err != nil {
		return err
	}
	changed, err := s.write(unit, u)
	if err != nil {
		return err
	}
	if err := s.load(conn, u.Name, changed); err != nil {
		return err
	}
	ctx, cancel := bounded(s.ctx, callTimeout)
	defer cancel()
	if _, _, err := conn.EnableUnitFilesContext(ctx, []string{unit}, false, false); err != nil {
		return fmt.Errorf("systemd cannot enable %s: %w", unit, masked(unit, err))
	}
	if _, err := conn.StartUnitContext(ctx, unit, "replace", done); err != nil {
		return fmt.Errorf("systemd refuses to start %s: %w", unit, masked(unit, err))
	}
	return nil
}

// masked adds the way on to systemd's word for a unit that somebody switched off.
func masked(unit string, err error) error {
	if strings.Contains(err.Error(), "masked") {
		return fmt.Errorf("%w; somebody masked it on purpose; if it may run again: systemctl unmask %s", err, unit)
	}
	return err
}

// load makes systemd read changed files. Another program's reload may have read
// them before they were whole, so what counts is what systemd says (hazard M3).
func (s *Supervisor) load(conn *dbus.Conn, name fleet.InstanceID, changed bool) error {
	for range 3 {
		st, err := s.read(s.ctx, name)
		if err != nil {
			return err
		}
		if !changed && !st.stale {
			return nil
		}
		ctx, cancel := bounded(s.ctx, reloadTimeout)
		err = conn.ReloadContext(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("systemd could not read its unit files again (daemon-reload): %w", err)
		}
		changed = false
	}
	return errors.New("systemd says after three reloads that the unit's files have changed: something else keeps writing them")
}

// attempt is a start that was asked for, with what was true before it.
type attempt struct {
	name   fleet.InstanceID
	unit   string
	exitAt uint64 // when the unit's process ended last
	ends   int    // how many ends were told
	done   chan string
}

// awaitStart waits until the process is there, the job has failed, or ctx ends.
func (s *Supervisor) awaitStart(ctx context.Context, a attempt) error {
	tick := time.NewTicker(lookStarting)
	defer tick.Stop()
	for {
		result := ""
		select {
		case result = <-a.done:
		case <-tick.C:
		case <-s.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
		}
		st, err := s.read(s.ctx, a.name)
		if err == nil {
			over, err := s.judge(a, st, result)
			if over {
				return err
			}
		}
		switch {
		case ctx.Err() == nil: // systemd may be starting again itself
		case err != nil:
			return err
		case st.status().State == fleet.UnitActivating:
			return fmt.Errorf("%w: %s is %s (%s)", ErrUnderWay, a.unit, st.active, st.sub)
		default:
			return fmt.Errorf("%s is %s (%s): %w", a.unit, st.active, st.sub, ctx.Err())
		}
	}
}

// judge tells whether a start is over, and how it went. result is what systemd says
// of the job; empty while it is not done.
func (s *Supervisor) judge(a attempt, st state, result string) (over bool, err error) {
	switch {
	case st.pid != 0:
		return true, nil
	case st.waits() && st.job: // until the unit's RestartSec is over
		return true, ErrUnderWay
	case result == "":
		return false, nil
	case st.exitAt > a.exitAt && !st.neverRan():
		return true, nil // it came and went
	case result == "done": // it came and went, and systemd has forgotten it
		s.endedSince(a.name, a.ends)
		return true, nil
	}
	return true, fmt.Errorf("systemd's job for %s ended as %q: the unit is %s (%s), result %s%s; journalctl -u %s says more",
		a.unit, result, st.active, st.sub, st.result, comma(st.exit()), a.unit)
}

func comma(text string) string {
	if text == "" {
		return ""
	}
	return ", " + text
}
