package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Foreign is a unit that redfleet did not bring and that runs an instance which
// redfleet has adopted.
type Foreign struct {
	Status fleet.UnitStatus
	// Masked: it cannot be started any more.
	Masked bool
	// GivesWay: at its next start it runs nothing, but brings redfleet's unit up in
	// its place, see Supervisor.GiveWay.
	GivesWay bool
}

// Foreign tells what systemd knows of such a unit.
func (s *Supervisor) Foreign(ctx context.Context, unit string) (Foreign, error) {
	conn, err := s.connection()
	if err != nil {
		return Foreign{}, err
	}
	ctx, cancel := bounded(ctx, callTimeout)
	defer cancel()
	p, err := conn.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		return Foreign{}, fmt.Errorf("asking systemd about %s: %w", unit, err)
	}
	st := stateOf(p)
	return Foreign{
		Status: st.status(), Masked: st.load == "masked",
		GivesWay: !st.stale && slices.Contains(get[[]string](p, "DropInPaths"), giveWayPath(unit)),
	}, nil
}

// giveWayPath sorts after an operator's own drop-ins: what they say of the start
// is over once the instance is redfleet's.
func giveWayPath(unit string) string {
	return filepath.Join(folder, unit+".d", "90-redfleet-adopted.conf")
}

// GiveWay has a unit bring redfleet's instance up in its own place, at its next
// start and not before: it writes a drop-in and lets systemd read it. What runs
// goes on untouched.
//
// systemd runs ExecCondition= before each start of the unit, whoever asks for it:
// an operator's restart, Restart= after a crash, a boot. `redfleet takeover` there
// moves the instance and starts redfleet's unit; its exit status 1 tells systemd to
// leave the old unit alone without calling it failed. With 255 the unit counts as
// failed and systemd tries again a second later: it never starts past a move that
// was cut. Where redfleet itself is gone from the machine, the unit starts as it
// ever did.
func (s *Supervisor) GiveWay(_ context.Context, unit string, id fleet.InstanceID) error {
	s.op.Lock()
	defer s.op.Unlock()
	conn, err := s.connection()
	if err != nil {
		return err
	}
	path := giveWayPath(unit)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("the folder of %s: %w", unit, err)
	}
	if _, err := replace(path, s.giveWay(id)); err != nil {
		return err
	}
	ctx, cancel := bounded(s.ctx, reloadTimeout)
	defer cancel()
	if err := conn.ReloadContext(ctx); err != nil {
		return fmt.Errorf("systemd could not read its unit files again (daemon-reload): %w", err)
	}
	return nil
}

func (s *Supervisor) giveWay(id fleet.InstanceID) []byte {
	var b bytes.Buffer
	command := "/usr/bin/redfleet takeover " + string(id)
	if s.options.Config != "" && s.options.Config != usualConfig {
		command += " --config " + s.options.Config
	}
	fmt.Fprintf(&b, `# Written by redfleet, which has adopted what this unit runs: at its next start
# the instance moves to redfleet's own unit. See "redfleet adopt --help".
[Unit]
StartLimitIntervalSec=0

[Service]
ExecCondition=+/bin/sh -c 'test -x /usr/bin/redfleet || exit 0; exec %s'
Restart=always
RestartSec=1s
`, command)
	return b.Bytes()
}

// Nudge asks systemd to start a unit that gives way, without waiting for the end.
func (s *Supervisor) Nudge(ctx context.Context, unit string) error {
	conn, err := s.connection()
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx, callTimeout)
	defer cancel()
	if _, err := conn.StartUnitContext(ctx, unit, "replace", nil); err != nil {
		return fmt.Errorf("systemd refuses to start %s, which would move its instance: %w", unit, masked(unit, err))
	}
	return nil
}

// MaskOrigin disables and masks a unit whose instance has moved, and removes what
// GiveWay wrote.
func (s *Supervisor) MaskOrigin(ctx context.Context, unit string) error {
	if err := TakeOut(ctx, unit); err != nil {
		return err
	}
	err := os.Remove(giveWayPath(unit))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
