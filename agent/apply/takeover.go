package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
	"github.com/redfleet/redfleet/internal/safefile"
)

// Adopter changes the unit that runs an adopted instance until it has moved; part
// of systemd's Supervisor.
type Adopter interface {
	GiveWay(ctx context.Context, unit string, id fleet.InstanceID) error
	Nudge(ctx context.Context, unit string) error
	MaskOrigin(ctx context.Context, unit string) error
}

// errNoAdopter: adopted instances are units of systemd.
var errNoAdopter = errors.New("the instance was adopted from a unit of systemd, which this agent does not use")

// adopt does the steps on an adopted instance. None touches what runs.
func (a *Applier) adopt(ctx context.Context, s converge.Step, t Target) error {
	if a.Adopter == nil || t.Goal.Adopted == nil {
		return errNoAdopter
	}
	unit := t.Goal.Adopted.Unit
	switch s.Kind {
	case converge.GiveWay:
		if err := a.install(ctx, t); err != nil {
			return err
		}
		// From here on it counts as one that ran: its next start goes through the fence.
		if err := a.remember(ctx, t.Goal.ID, func(m *converge.Memory) { m.Started = true }); err != nil {
			return err
		}
		return a.Effects.Do(ctx, LabelGiveWay, func(ctx context.Context) error { return a.Adopter.GiveWay(ctx, unit, t.Goal.ID) })
	case converge.Move:
		return a.Effects.Do(ctx, LabelNudge, func(ctx context.Context) error { return a.Adopter.Nudge(ctx, unit) })
	default:
		return a.Effects.Do(ctx, LabelOrigin, func(ctx context.Context) error { return a.Adopter.MaskOrigin(ctx, unit) })
	}
}

// TakeOver moves the files of an adopted instance that is down into redfleet's
// folder: its data by renames, one file after the other, so that nothing is copied,
// written over or removed (promise data-wins); its configuration, with what Sentinel
// or CONFIG REWRITE wrote into it, by a copy (promise sentinel-state-kept). The last
// thing is to remember that it has moved. A run that was cut is done again and goes
// on where it was (promise resumable).
func (a *Applier) TakeOver(ctx context.Context, t Target) error {
	from := t.Goal.Adopted
	if from == nil {
		return fmt.Errorf("%s was not adopted", t.Goal.ID)
	}
	if err := a.install(ctx, t); err != nil {
		return err
	}
	dir := Dir(a.DataDir, t.Goal.ID)
	conf := "sentinel.conf"
	if t.Goal.Kind == fleet.KindRedis {
		conf = redisConf
		if err := a.moveData(ctx, from.Dir, dir); err != nil {
			return err
		}
	}
	if err := a.copyConf(ctx, from.Conf, filepath.Join(dir, conf)); err != nil {
		return err
	}
	return a.remember(ctx, t.Goal.ID, func(m *converge.Memory) { m.Started, m.Served, m.Moved = true, true, true })
}

// moveData renames the data files, and gives them to the user that runs the
// instances.
func (a *Applier) moveData(ctx context.Context, from, to string) error {
	names := rdb.DefaultNames()
	for _, name := range []string{names.RDB, names.AOF, names.AOFDir} {
		err := a.Effects.Do(ctx, LabelData, func(context.Context) error {
			return errors.Join(rename(filepath.Join(from, name), filepath.Join(to, name)), a.give(filepath.Join(to, name)))
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(syncDir(from), syncDir(to))
}

// rename moves one file or folder where there is one, and never over another.
func rename(from, to string) error {
	do := func() error { return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE) }
	err := do()
	if errors.Is(err, unix.EXDEV) {
		err = amongHostMounts(do)
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil // nothing is there, or it was moved before
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("there is data in %s and in %s: which of it counts is not for redfleet to say; move one of them away", from, to)
	case errors.Is(err, unix.EXDEV):
		return fmt.Errorf("%s and %s are on different file systems, and data is not copied: "+
			"move it there by hand, or set data_dir in agent.toml to a folder on the same one", from, to)
	}
	return fmt.Errorf("moving %s: %w", from, err)
}

// amongHostMounts does something with the mounts of the machine's first process.
// systemd gives the commands of a unit that has ReadWritePaths= a mount of its own on
// each of these folders, also those that run with full privileges; between two mounts
// nothing can be renamed, although it is one file system.
func amongHostMounts(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		mounts, err := os.Open("/proc/1/ns/mnt")
		if err != nil {
			done <- err
			return
		}
		defer mounts.Close()
		if err = unix.Unshare(unix.CLONE_FS); err == nil {
			err = unix.Setns(int(mounts.Fd()), unix.CLONE_NEWNS)
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

// give makes what was moved the instances' user's. Links are not followed, and a
// file with a second name is refused: that may be another's.
func (a *Applier) give(path string) error {
	if a.Owner == nil {
		return nil
	}
	return filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && p == path {
				return nil
			}
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		if e.Type().IsRegular() && st.Nlink > 1 {
			return fmt.Errorf("%s has a second name (hard link), so it is not given to the user of the instances; remove the other one", p)
		}
		return os.Lchown(p, a.Owner.UID, a.Owner.GID)
	})
}

func syncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // the data folder that the goal names
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// copyConf brings the configuration along, once: afterwards redfleet's is the one
// that the engine rewrites. The old one stays where its package put it.
func (a *Applier) copyConf(ctx context.Context, from, to string) error {
	switch there, err := ReadConf(to); {
	case err != nil:
		return err
	case there != nil && !there.Empty():
		return nil
	}
	old, err := ReadConf(from)
	if err != nil {
		return err
	}
	if old == nil || old.Empty() {
		return fmt.Errorf("the configuration %s of the adopted instance is gone; put it back, or write %s by hand", from, to)
	}
	return a.Effects.Do(ctx, LabelConf, func(context.Context) error { return safefile.Write(to, old.Bytes(), 0o600) })
}
