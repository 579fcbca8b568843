package systemd

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// stopPatience is how long a unit that is taken out of service may take to stop.
const stopPatience = 30 * time.Second

// Unit is a unit that redfleet did not bring, such as the distribution's redis.
type Unit struct {
	Name string
	// Fragment is the path of its file.
	Fragment string
	// Running: it has a process, or is about to. Enabled: it starts at the next
	// boot. Masked: it cannot be started.
	Running, Enabled, Masked bool
	// Argv is its command line (ExecStart), the program first. It may hold a
	// password: do not show it.
	Argv []string
}

// Units finds the units whose names match one of the patterns, by unit files and
// by what is loaded; templates are left out. It changes nothing.
func Units(ctx context.Context, patterns ...string) ([]Unit, error) {
	ctx, cancel := bounded(ctx, callTimeout)
	defer cancel()
	conn, err := dbus.NewWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("systemd cannot be reached over D-Bus: %w", err)
	}
	defer conn.Close()
	names := map[string]bool{}
	unitFiles, err := conn.ListUnitFilesByPatternsContext(ctx, nil, patterns)
	if err != nil {
		return nil, fmt.Errorf("asking systemd for its unit files: %w", err)
	}
	for _, f := range unitFiles {
		names[path.Base(f.Path)] = true
	}
	loaded, err := conn.ListUnitsByPatternsContext(ctx, nil, patterns)
	if err != nil {
		return nil, fmt.Errorf("asking systemd for its units: %w", err)
	}
	for _, u := range loaded {
		names[u.Name] = true
	}
	var units []Unit
	for name := range names {
		if strings.Contains(name, "@.") {
			continue
		}
		p, err := conn.GetAllPropertiesContext(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("asking systemd about %s: %w", name, err)
		}
		if get[string](p, "LoadState") != "not-found" {
			units = append(units, unitOf(name, p))
		}
	}
	slices.SortFunc(units, func(a, b Unit) int { return strings.Compare(a.Name, b.Name) })
	return units, nil
}

func unitOf(name string, p map[string]any) Unit {
	active, file := get[string](p, "ActiveState"), get[string](p, "UnitFileState")
	u := Unit{
		Name: name, Fragment: get[string](p, "FragmentPath"),
		Running: active != "inactive" && active != "failed",
		Enabled: strings.HasPrefix(file, "enabled"),
		Masked:  get[string](p, "LoadState") == "masked" || strings.HasPrefix(file, "masked"),
	}
	if starts := get[[][]any](p, "ExecStart"); len(starts) > 0 && len(starts[0]) > 1 {
		u.Argv, _ = starts[0][1].([]string)
	}
	return u
}

// TakeOut stops a unit that redfleet did not bring, and masks it, so that neither
// a boot nor an upgrade of its package starts it again (hazard E2). It waits until
// the process has ended; one that does not end is an error, and the unit is then
// neither disabled nor masked. PutBack undoes it.
func TakeOut(ctx context.Context, unit string) error {
	return onUnit(ctx, unit, func(ctx context.Context, conn *dbus.Conn) error {
		if err := job(ctx, unit, conn.StopUnitContext); err != nil {
			return err
		}
		if _, err := conn.DisableUnitFilesContext(ctx, []string{unit}, false); err != nil {
			return fmt.Errorf("systemd cannot disable %s: %w", unit, err)
		}
		if _, err := conn.MaskUnitFilesContext(ctx, []string{unit}, false, true); err != nil {
			return fmt.Errorf("systemd cannot mask %s: %w", unit, err)
		}
		return conn.ReloadContext(ctx)
	})
}

// PutBack brings a unit back that TakeOut took: as it was before, and running
// where it ran.
func PutBack(ctx context.Context, was Unit) error {
	return onUnit(ctx, was.Name, func(ctx context.Context, conn *dbus.Conn) error {
		if _, err := conn.UnmaskUnitFilesContext(ctx, []string{was.Name}, false); err != nil {
			return fmt.Errorf("systemd cannot unmask %s: %w", was.Name, err)
		}
		if err := conn.ReloadContext(ctx); err != nil {
			return err
		}
		if was.Enabled {
			if _, _, err := conn.EnableUnitFilesContext(ctx, []string{was.Name}, false, false); err != nil {
				return fmt.Errorf("systemd cannot enable %s: %w", was.Name, err)
			}
			if err := conn.ReloadContext(ctx); err != nil {
				return err
			}
		}
		if !was.Running {
			return nil
		}
		return job(ctx, was.Name, conn.StartUnitContext)
	})
}

func onUnit(ctx context.Context, unit string, do func(context.Context, *dbus.Conn) error) error {
	ctx, cancel := bounded(ctx, stopPatience)
	defer cancel()
	conn, err := dbus.NewWithContext(ctx)
	if err != nil {
		return fmt.Errorf("systemd cannot be reached over D-Bus: %w", err)
	}
	defer conn.Close()
	if err := do(ctx, conn); err != nil {
		return fmt.Errorf("%s: %w", unit, err)
	}
	return nil
}

// job runs a job of systemd and waits for its end.
func job(ctx context.Context, unit string, run func(context.Context, string, string, chan<- string) (int, error)) error {
	ended := make(chan string, 1)
	if _, err := run(ctx, unit, "replace", ended); err != nil {
		return err
	}
	select {
	case result := <-ended:
		if result != "done" {
			return fmt.Errorf("systemd's job ended as %q; journalctl -u %s says more", result, unit)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w; systemctl status %s says what it waits for", context.Cause(ctx), unit)
	}
}
