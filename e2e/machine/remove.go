package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

const (
	removeLimit = 20 * time.Second
	// nspawnRun is where nspawn keeps a folder for each machine, and its locks.
	nspawnRun = "/run/systemd/nspawn"
)

// remove removes everything of the lab in dir, from what the kernel and the folder
// tell alone: it does not matter who made the lab and how far that came. It may be
// called for a lab that is gone.
func remove(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), removeLimit)
	defer cancel()
	id := filepath.Base(dir)
	if err := errors.Join(killGroup(ctx, id), killMarked(ctx, id)); err != nil {
		return err
	}
	if err := errors.Join(unmountBelow(dir), removeCgroups(ctx, id), removeNspawn(id+"-*")); err != nil {
		return err
	}
	return os.RemoveAll(dir) // nothing is mounted in there any more
}

// removeNspawn removes the folders of our machines, and locks that nobody holds:
// an nspawn that is killed leaves its own.
func removeNspawn(machines string) error {
	dirs, err := filepath.Glob(filepath.Join(nspawnRun, "propagate", machines))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("what nspawn left: %w", err)
		}
	}
	locks, err := filepath.Glob(filepath.Join(nspawnRun, "locks", "*"))
	if err != nil {
		return err
	}
	for _, path := range locks {
		err := withFreeLock(path, func() error { return os.Remove(path) })
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("a lock that nspawn left: %w", err)
		}
	}
	return nil
}

// withFreeLock does something with a lock file of systemd's while it holds the lock,
// as systemd itself does to remove it. The lock may be of either kind that systemd
// takes. Nothing is done where the lock is in use or gone.
func withFreeLock(path string, do func() error) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &whole) != nil || unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil // in use
	}
	return do()
}

// unmountBelow unmounts all that is mounted in the folder, the last one first.
func unmountBelow(dir string) error {
	mounts, err := mountPoints()
	if err != nil {
		return err
	}
	var errs []error
	for i := len(mounts) - 1; i >= 0; i-- {
		if !strings.HasPrefix(mounts[i], dir+"/") {
			continue
		}
		if err := unix.Unmount(mounts[i], 0); err != nil {
			errs = append(errs, fmt.Errorf("unmounting %s: %w", mounts[i], err))
		}
	}
	return errors.Join(errs...)
}

// mountPoints are the places where something is mounted, in the order of mounting.
func mountPoints() ([]string, error) {
	lines, err := mountInfo()
	if err != nil {
		return nil, err
	}
	var points []string
	for _, fields := range lines {
		points = append(points, fields[4])
	}
	return points, nil
}

// mountInfo is /proc/self/mountinfo, see proc_pid_mountinfo(5).
func mountInfo() ([][]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			return nil, fmt.Errorf("a line of /proc/self/mountinfo has too few fields: %q", line)
		}
		for i, field := range fields {
			fields[i] = unescape.Replace(field)
		}
		lines = append(lines, fields)
	}
	return lines, nil
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// sweep removes the labs in dir whose owner has ended: their lock is free. The
// caller holds the lock of dir, so that no lab is just being made.
func sweep(dir string, log logrus.FieldLogger) error {
	labs, err := filepath.Glob(filepath.Join(dir, "rf*"))
	if err != nil {
		return err
	}
	for _, lab := range labs {
		free, err := lockIsFree(filepath.Join(lab, "lock"))
		if err != nil {
			return fmt.Errorf("looking whether lab %s is in use: %w", lab, err)
		}
		if !free {
			continue
		}
		log.Infof("Removing lab %s, whose owner has ended.", filepath.Base(lab))
		if err := remove(lab); err != nil {
			return fmt.Errorf("removing what an earlier run left in %s: %w", lab, err)
		}
	}
	return nil
}

func lockIsFree(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
