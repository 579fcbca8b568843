package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// hierarchies are the cgroup trees that a node gets a group of its own in: the
// one of version 2, or, on a host that still has version 1, those that systemd
// and the freezer need. Never memory: a node is not limited.
func hierarchies() []string {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}
	}
	var found []string
	for _, name := range []string{"systemd", "unified", "freezer"} {
		dir := filepath.Join(cgroupRoot, name)
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			found = append(found, dir)
		}
	}
	return found
}

// trees are all cgroup hierarchies of this host. A node has groups in hierarchies()
// only; other kinds of machines take all that there are.
func trees() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	files, err := filepath.Glob(filepath.Join(cgroupRoot, "*", "cgroup.procs"))
	for i, file := range files {
		files[i] = filepath.Dir(file)
	}
	return files, err
}

// cgroups are the folders of a group in all hierarchies; name is a lab's id, or
// id/node.
func cgroups(name string) []string {
	var dirs []string
	for _, h := range hierarchies() {
		dirs = append(dirs, filepath.Join(h, name))
	}
	return dirs
}

// members are the processes in the group and below, in any hierarchy.
func members(name string) ([]int, error) {
	seen := map[int]bool{}
	var pids []int
	for _, dir := range cgroups(name) {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // it ended while we looked
				return nil
			}
			if err != nil || !entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
				return err
			}
			for _, field := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 && !seen[pid] {
					seen[pid] = true
					pids = append(pids, pid)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading cgroup %s: %w", dir, err)
		}
	}
	return pids, nil
}

// removeCgroups removes the group and all below it, where no process is left. The
// kernel may hold a group for a moment after its last process.
func removeCgroups(ctx context.Context, name string) error {
	all, err := trees()
	if err != nil {
		return err
	}
	for {
		var errs []error
		for _, tree := range all {
			errs = append(errs, removeTree(filepath.Join(tree, name)))
		}
		err := errors.Join(errs...)
		if err == nil {
			return nil
		}
		if sleep(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("removing cgroup %s: %w", name, err)
		}
	}
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// setFrozen stops or resumes all processes of a group at once, and returns when
// that is so.
func setFrozen(ctx context.Context, name string, frozen bool) error {
	file, value, state, want := freezer(name, frozen)
	if err := os.WriteFile(file, []byte(value), 0); err != nil {
		return err
	}
	for {
		text, err := os.ReadFile(state)
		if err != nil {
			return err
		}
		if strings.Contains(string(text), want) {
			return nil
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for %q in %s: %w", want, state, err)
		}
	}
}

// thawAll lets all processes in the group and below go on. A group that is not
// there any more has none.
func thawAll(name string) error {
	for _, dir := range cgroups(name) {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !entry.IsDir() {
				return err
			}
			for file, value := range map[string]string{"freezer.state": "THAWED", "cgroup.freeze": "0"} {
				f, err := os.OpenFile(filepath.Join(path, file), os.O_WRONLY, 0)
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return err
				}
				_, err = f.WriteString(value)
				err = errors.Join(err, f.Close())
				if err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, fs.ErrNotExist) { // the group ended just now
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("thawing %s: %w", dir, err)
		}
	}
	return nil
}

// freezer tells the file to write, what to write, and the file in which the wanted
// text tells that it is done.
func freezer(name string, frozen bool) (file, value, state, want string) {
	if dir := filepath.Join(cgroupRoot, "freezer", name); isDir(dir) {
		value = "THAWED"
		if frozen {
			value = "FROZEN"
		}
		file = filepath.Join(dir, "freezer.state")
		return file, value, file, value
	}
	dir := filepath.Join(cgroupRoot, name)
	value = "0"
	if frozen {
		value = "1"
	}
	return filepath.Join(dir, "cgroup.freeze"), value, filepath.Join(dir, "cgroup.events"), "frozen " + value
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
