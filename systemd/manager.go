package systemd

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Manager is a conversation with systemd for a command of an operator: about the
// daemons' own units and about jobs, never about instances, which are the
// Supervisor's. Close ends it.
type Manager struct {
	conn   *dbus.Conn
	hangUp context.CancelFunc
}

// Dial begins the conversation, which needs root. It ends with ctx too.
func Dial(ctx context.Context) (*Manager, error) {
	ctx, hangUp := context.WithCancel(ctx)
	conn, err := dbus.NewWithContext(ctx)
	if err == nil {
		if err = conn.Subscribe(); err != nil { // else the end of a job is not told
			conn.Close()
		}
	}
	if err != nil {
		hangUp()
		return nil, fmt.Errorf("systemd cannot be reached over D-Bus: %w", err)
	}
	return &Manager{conn: conn, hangUp: hangUp}, nil
}

// Close ends the conversation. Jobs go on by themselves.
func (m *Manager) Close() {
	m.conn.Close()
	m.hangUp()
}

// Daemon is what systemd says of a unit.
type Daemon struct {
	// Installed: systemd has a unit file of this name.
	Installed bool
	// Active and Sub are systemd's words, as in "active" and "running".
	Active, Sub string
	// Result of the last run, as in "exit-code"; "success" while it runs.
	Result string
	// Restarts is how often systemd started it again by itself.
	Restarts int
}

// Daemon reads the state of a unit, all of one moment (hazard M3).
func (m *Manager) Daemon(ctx context.Context, unit string) (Daemon, error) {
	ctx, cancel := bounded(ctx, callTimeout)
	defer cancel()
	p, err := m.conn.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		return Daemon{}, fmt.Errorf("asking systemd about %s: %w", unit, err)
	}
	st := stateOf(p)
	return Daemon{
		Installed: st.load == "loaded", Active: st.active, Sub: st.sub, Result: st.result,
		Restarts: int(get[uint32](p, "NRestarts")),
	}, nil
}

// Run enables a unit and starts it, or starts it anew where it runs already, with
// unit files as they are now. It does not wait until the unit is ready: what
// became of it is for Daemon to say.
func (m *Manager) Run(ctx context.Context, unit string) error {
	call, cancel := bounded(ctx, reloadTimeout)
	defer cancel()
	if err := m.conn.ReloadContext(call); err != nil {
		return fmt.Errorf("systemd could not read its unit files again (daemon-reload): %w", err)
	}
	if _, _, err := m.conn.EnableUnitFilesContext(call, []string{unit}, false, false); err != nil {
		return fmt.Errorf("systemd cannot enable %s: %w", unit, masked(unit, err))
	}
	if _, err := m.conn.RestartUnitContext(call, unit, "replace", nil); err != nil {
		return fmt.Errorf("systemd refuses to start %s: %w", unit, masked(unit, err))
	}
	return nil
}

// MaskMissing masks those of the units that systemd has no file of, so that a
// package that brings one cannot start it (hazard E2). Units that are there are
// left as they are, running or not. It tells which it masked.
func (m *Manager) MaskMissing(ctx context.Context, units ...string) ([]string, error) {
	var missing []string
	for _, unit := range units {
		d, err := m.Daemon(ctx, unit)
		if err != nil {
			return nil, err
		}
		if !d.Installed && d.Active == "inactive" {
			missing = append(missing, unit)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	call, cancel := bounded(ctx, reloadTimeout)
	defer cancel()
	if _, err := m.conn.MaskUnitFilesContext(call, missing, false, false); err != nil {
		return nil, fmt.Errorf("masking %v: %w", missing, err)
	}
	if err := m.conn.ReloadContext(call); err != nil {
		return nil, fmt.Errorf("systemd could not read its unit files again (daemon-reload): %w", err)
	}
	return missing, nil
}
