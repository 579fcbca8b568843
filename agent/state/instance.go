package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redfleet/redfleet/internal/fleet"
)

// UpdateInstance changes what is remembered of an instance. Agent and boot fence
// both do it, in processes of their own; under a lock each one changes what the
// other wrote last and loses nothing of it.
func UpdateInstance[T comparable](s *Store, id fleet.InstanceID, edit func(*T)) (T, error) {
	var v T
	lock, err := os.OpenFile(filepath.Join(s.dir, instanceFile(id)+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return v, fmt.Errorf("cannot keep the agent's state: %w", err)
	}
	defer lock.Close() // which gives the lock up
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return v, fmt.Errorf("cannot lock %s: %w", lock.Name(), err)
	}
	if _, err := s.Instance(id, &v); err != nil {
		return v, err
	}
	before := v
	edit(&v)
	if v == before {
		return v, nil
	}
	return v, s.write(instanceFile(id), v)
}

// SyncInstances makes sure that what was written of instances outlives a power loss
// too: files are synced when they are written, and here their folder is.
func (s *Store) SyncInstances() error {
	dir, err := os.Open(filepath.Join(s.dir, "instances"))
	if err != nil {
		return fmt.Errorf("cannot sync the agent's state: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("cannot sync the agent's state: %w", err)
	}
	return nil
}

// down is since when an instance is down, by a clock that nobody sets (hazard M6).
type down struct {
	// Boot is the machine's boot, Since the monotonic clock's time in it.
	Boot  string        `json:"boot"`
	Since time.Duration `json:"since"`
}

// NoteDown notes that an instance is down since now, for a process that lives
// shorter than that; where it is noted already, in this boot of the machine, that
// stays.
func (s *Store) NoteDown(id fleet.InstanceID) error {
	now, err := s.clock()
	if err != nil {
		return err
	}
	if noted, _ := s.noted(id, now); noted {
		return nil
	}
	return s.write(downFile(id), now)
}

// DownFor tells how long ago NoteDown was called first, not counting the time
// that the machine was off or suspended; 0 where it was not called in this boot.
func (s *Store) DownFor(id fleet.InstanceID) (time.Duration, error) {
	now, err := s.clock()
	if err != nil {
		return 0, err
	}
	_, since := s.noted(id, now)
	return since, nil
}

// noted reads the note; one that is damaged counts as none, which is the shorter
// time and so the more careful one.
func (s *Store) noted(id fleet.InstanceID, now down) (bool, time.Duration) {
	var before down
	found, err := s.read(downFile(id), &before)
	if err != nil || !found || before.Boot != now.Boot || before.Since > now.Since {
		return false, 0
	}
	return true, now.Since - before.Since
}

// Clock tells which boot of the machine this is, and the monotonic clock in it.
type Clock func() (boot string, since time.Duration, err error)

// clock reads the monotonic clock and which boot it belongs to.
func (s *Store) clock() (down, error) {
	if s.Clock != nil {
		boot, since, err := s.Clock()
		return down{Boot: boot, Since: since}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return down{}, fmt.Errorf("cannot tell one boot of the machine from another: %w", err)
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return down{}, fmt.Errorf("cannot read the monotonic clock: %w", err)
	}
	return down{Boot: strings.TrimSpace(string(boot)), Since: time.Duration(ts.Nano())}, nil
}

// Boot names this boot of the machine.
func (s *Store) Boot() (string, error) {
	now, err := s.clock()
	return now.Boot, err
}

// ClearDown forgets it: the instance is about to start.
func (s *Store) ClearDown(id fleet.InstanceID) error {
	err := os.Remove(filepath.Join(s.dir, downFile(id)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func downFile(id fleet.InstanceID) string {
	return filepath.Join("instances", string(id)+".down.json")
}
