package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// tryLock takes the lock of a unit; nil without an error when another process
// holds it. Closing the file gives the lock back, unless a process inherited it.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is made from the supervisor's folder and a checked name
	if err != nil {
		return nil, fmt.Errorf("open the unit's lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, f.Close()
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// Forget may have removed the file between open and lock: what is locked
	// then is no longer the unit's lock. The next try meets the new file.
	if same, err := isFile(f, path); err != nil || !same {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func isFile(f *os.File, path string) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("look at the unit's lock: %w", err)
	}
	now, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the unit's lock: %w", err)
	}
	return os.SameFile(mine, now), nil
}

// held tells whether any process holds the lock, without making the file.
func held(path string) (bool, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	f, err := tryLock(path)
	if err != nil || f == nil {
		return err == nil, err
	}
	return false, f.Close()
}

// holders are the processes that inherited the lock. leader is the one that
// leads its own session, which is the unit's main process; the others are its
// children. A supervisor in the middle of a start is neither: its own
// descriptor is closed on exec.
type holders struct {
	leader int
	others []int
}

// findHolders looks through /proc for inheritors of the lock file.
func findHolders(path string) (holders, error) {
	lock, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return holders{}, nil
	}
	if err != nil {
		return holders{}, fmt.Errorf("look at the unit's lock: %w", err)
	}
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return holders{}, fmt.Errorf("look for the holder of %s: %w", path, err)
	}
	var h holders
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || !inherited(pid, lock) {
			continue
		}
		stat, err := readStat(pid)
		switch {
		case err != nil: // it ended meanwhile
		case stat.session == pid:
			h.leader = pid
		default:
			h.others = append(h.others, pid)
		}
	}
	return h, nil
}

// inherited tells whether a process has the file open in a descriptor that
// survives an exec. Processes of other users cannot be looked at and cannot be
// ours.
func inherited(pid int, file fs.FileInfo) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return false
	}
	for _, fd := range fds {
		open, err := os.Stat(filepath.Join(dir, "fd", fd.Name()))
		if err != nil || !os.SameFile(open, file) {
			continue
		}
		info, err := os.ReadFile(filepath.Join(dir, "fdinfo", fd.Name())) //nolint:gosec // a path in /proc
		if err == nil && !closesOnExec(string(info)) {
			return true
		}
	}
	return false
}

// closesOnExec reads the flags line of /proc/<pid>/fdinfo/<fd> (proc_pid_fdinfo(5)).
func closesOnExec(info string) bool {
	for line := range strings.Lines(info) {
		text, ok := strings.CutPrefix(line, "flags:")
		if !ok {
			continue
		}
		flags, err := strconv.ParseUint(strings.TrimSpace(text), 8, 64)
		return err == nil && flags&unix.O_CLOEXEC != 0
	}
	return false
}
