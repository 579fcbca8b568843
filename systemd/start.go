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
	done, ends := make(chan string, 1), s.ends(u.Name)
	if err := s.submit(unit, u, done); err != nil {
		return err
	}
	return s.awaitStart(ctx, u.Name, unit, st.exitAt, ends, done)
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

// awaitStart waits until the process is there, the job has failed, or ctx ends.
// exitAt is when the unit's process ended before that, ends what was told of it.
func (s *Supervisor) awaitStart(ctx context.Context, name fleet.InstanceID, unit string, exitAt uint64, ends int, done <-chan string) error {
	tick := time.NewTicker(lookStarting)
	defer tick.Stop()
	for {
		result := ""
		select {
		case result = <-done:
		case <-tick.C:
		case <-s.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
		}
		st, err := s.read(s.ctx, name)
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			continue // systemd starts again itself, say
		case st.pid != 0:
			return nil
		case st.waits() && st.job: // until the unit's RestartSec is over
			return ErrUnderWay
		case result != "" && st.exitAt > exitAt && !st.neverRan():
			return nil
		case result == "done": // it came and went; systemd may have forgotten it
			s.endedSince(name, ends)
			return nil
		case result != "":
			return fmt.Errorf("systemd's job for %s ended as %q: the unit is %s (%s), result %s%s; journalctl -u %s says more",
				unit, result, st.active, st.sub, st.result, comma(st.exit()), unit)
		case ctx.Err() != nil && st.status().State == fleet.UnitActivating:
			return fmt.Errorf("%w: %s is %s (%s)", ErrUnderWay, unit, st.active, st.sub)
		case ctx.Err() != nil:
			return fmt.Errorf("%s is %s (%s): %w", unit, st.active, st.sub, ctx.Err())
		}
	}
}

func comma(text string) string {
	if text == "" {
		return ""
	}
	return ", " + text
}
