package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

const id fleet.InstanceID = "redis-main-6379"

// TestUpdatesLoseNothing: agent and fence write the same file from processes of
// their own; each store here stands for one of them.
func TestUpdatesLoseNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	type memory struct{ A, B int }
	const each = 50
	var wg sync.WaitGroup
	for _, edit := range []func(*memory){func(m *memory) { m.A++ }, func(m *memory) { m.B++ }} {
		wg.Go(func() {
			s, err := OpenExisting(dir)
			if err != nil {
				t.Error(err)
				return
			}
			for range each {
				if _, err := UpdateInstance(s, id, edit); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var got memory
	s, _ := OpenExisting(dir)
	if _, err := s.Instance(id, &got); err != nil || got != (memory{each, each}) {
		t.Errorf("after %d updates of each the file holds %+v, %v", each, got, err)
	}
}

// TestDownFor: the time counts on from the first note, ends with ClearDown, and
// is not taken over from another boot of the machine or from a damaged note.
func TestDownFor(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	downFor := func() time.Duration {
		t.Helper()
		d, err := s.DownFor(id)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	note := func() {
		t.Helper()
		if err := s.NoteDown(id); err != nil {
			t.Fatal(err)
		}
	}
	if d := downFor(); d != 0 {
		t.Errorf("before any note it was down for %v", d)
	}
	note()
	began := time.Now()
	for downFor() < 30*time.Millisecond {
		if time.Since(began) > 10*time.Second {
			t.Fatal("the time does not go on")
		}
		time.Sleep(time.Millisecond)
	}
	note()
	if d := downFor(); d < 30*time.Millisecond {
		t.Errorf("a second note began anew: %v", d)
	}
	path := filepath.Join(dir, downFile(id))
	for name, text := range map[string]string{
		"another boot": `{"boot": "another", "since": 1}`, "damaged": "{", "a later time": `{"boot": "` + boot(t) + `", "since": 9000000000000000000}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if d := downFor(); d != 0 {
			t.Errorf("%s: it was down for %v", name, d)
		}
	}
	note()
	if err := errors.Join(s.ClearDown(id), s.ClearDown(id)); err != nil {
		t.Errorf("ClearDown gave %v", err)
	}
	if d := downFor(); d != 0 {
		t.Errorf("after ClearDown it was down for %v", d)
	}
}

// boot is this boot's id as a note has it.
func boot(t *testing.T) string {
	t.Helper()
	now, err := (&Store{}).clock()
	if err != nil {
		t.Fatal(err)
	}
	return now.Boot
}

func TestOpenExistingMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := OpenExisting(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there gave %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}
