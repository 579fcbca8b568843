package redismodel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// disk does the instances' file work. Files are real, so that agents, internal/rdb
// and people read them; what a disk refuses and what a power loss takes is kept
// here.
type disk struct {
	readOnly map[string]bool
	// unsynced is how long a file is that a power loss leaves.
	unsynced map[string]loss
}

type loss struct {
	owner *Process
	keep  int64
}

func newDisk() disk { return disk{readOnly: map[string]bool{}, unsynced: map[string]loss{}} }

// refused is the error of a write below a read-only folder.
func (d *disk) refused(path string) error {
	for dir, yes := range d.readOnly {
		if yes && (path == dir || strings.HasPrefix(path, dir+"/")) {
			return &os.PathError{Op: "open", Path: path, Err: syscall.EROFS}
		}
	}
	return nil
}

func (d *disk) read(path string) ([]byte, error) { return os.ReadFile(path) }

// writable tells whether a file could be opened for writing and its folder takes
// a new one.
func (d *disk) writable(path string) error {
	if err := d.refused(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// replace writes a file by a temporary one and a rename, and syncs it.
func (d *disk) replace(path string, content []byte) error {
	if err := d.refused(path); err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(path), "temp-"+filepath.Base(path))
	if err := os.WriteFile(temp, content, 0o600); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return err
	}
	delete(d.unsynced, path)
	return stamp(path)
}

// stamp gives a file the World's time: internal/rdb compares the times of files.
func stamp(path string) error {
	now := time.Now()
	return os.Chtimes(path, now, now)
}

// add appends to a file that sync has not been called for.
func (d *disk) add(p *Process, path, text string) error {
	if err := d.refused(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, known := d.unsynced[path]; !known {
		d.unsynced[path] = loss{p, info.Size()}
	}
	if _, err = f.WriteString(text); err != nil {
		return err
	}
	return stamp(path)
}

// sync makes what was added stay.
func (d *disk) sync(path string) { delete(d.unsynced, path) }

// lose cuts a process's files back to what was synced.
func (d *disk) lose(p *Process) {
	for path, l := range d.unsynced {
		if l.owner == p {
			_ = os.Truncate(path, l.keep)
			_ = stamp(path)
			delete(d.unsynced, path)
		}
	}
}

func (d *disk) makeDir(path string) error {
	if err := d.refused(path); err != nil {
		return err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	return nil
}
