package preflight

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestJudgeDisk(t *testing.T) {
	good := diskFact{dir: "/var/lib/redfleet", at: "/var/lib", free: 10 << 30, files: -1}
	with := func(change func(*diskFact)) []diskFact {
		f := good
		change(&f)
		return []diskFact{f}
	}
	for name, c := range map[string]struct {
		facts []diskFact
		plan  Plan
		want  Status
		seen  string
	}{
		"good":              {[]diskFact{good}, server("maxmemory 5gb"), OK, "10240 MiB free"},
		"read-only":         {with(func(f *diskFact) { f.readOnly = true }), server(), Error, "read-only"},
		"denied":            {with(func(f *diskFact) { f.denied = errors.New("permission denied") }), server(), Error, "permission denied"},
		"full":              {with(func(f *diskFact) { f.free = 1 << 20 }), server(), Error, "1 MiB free, 64 MiB is the least"},
		"no more files":     {with(func(f *diskFact) { f.files = 3 }), server(), Error, "3 more files"},
		"in memory":         {with(func(f *diskFact) { f.memory = true }), server(), Warning, "tmpfs"},
		"split":             {with(func(f *diskFact) { f.split = []string{"/d/redis-main-6379/appendonlydir"} }), server(), Error, "appendonlydir is a file system of its own"},
		"a snapshot beside": {[]diskFact{good}, server("maxmemory 6gb"), Warning, "can take 12288 MiB"},
		"and a rewrite":     {[]diskFact{good}, server("maxmemory 3gb", "appendonly yes"), Warning, "can take 12288 MiB"},
		"the state's own":   {append([]diskFact{good}, diskFact{dir: "/state", readOnly: true}), server(), Error, "/state is"},
	} {
		t.Run(name, func(t *testing.T) {
			f := judgeDisk(&Input{Config: config(), Plan: c.plan}, c.facts)
			if f.Status != c.want || !strings.Contains(f.Found, c.seen) {
				t.Errorf("%+v; want %s with %q", f, c.want, c.seen)
			}
		})
	}
}

// A real folder: its nearest one is measured, nothing is made in it, and a part
// of an instance's folder that is another file system is found.
func TestDiskOfThisMachine(t *testing.T) {
	in := &Input{Root: t.TempDir(), Config: config(), Plan: server()}
	if f := runOne(t.Context(), t, "disk", in); f.Status != OK && f.Status != Warning {
		t.Errorf("%+v", f)
	}
	if left, err := os.ReadDir(in.Root); err != nil || len(left) > 0 {
		t.Errorf("the check made %v, %v", left, err)
	}
	dir := filepath.Join(in.Root, in.Config.DataDir, "redis-main-6379")
	if err := os.MkdirAll(filepath.Join(dir, "appendonlydir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if split, err := splitFolders(in.path(in.Config.DataDir)); err != nil || len(split) > 0 {
		t.Errorf("split: %v, %v", split, err)
	}
	// A mount would take root; a link leads to another file system as well.
	elsewhere := filepath.Join(dir, "elsewhere")
	if err := os.Symlink("/proc", elsewhere); err != nil {
		t.Fatal(err)
	}
	if f := runOne(t.Context(), t, "disk", in); f.Status != Error || !strings.Contains(f.Found, elsewhere) {
		t.Errorf("with a part elsewhere: %+v", f)
	}
}
