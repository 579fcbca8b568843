package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/redfleet/redfleet/internal/fleet"
)

// diskFact is the file system of one folder.
type diskFact struct {
	// dir is the folder, at the nearest one above it that is there.
	dir, at string
	// free is what a process of another user than root can still write.
	free, files int64
	readOnly    bool
	// memory: the file system is gone with the next boot.
	memory bool
	denied error
	// split are folders inside of an instance's that are a file system of their own.
	split []string
}

func gatherDisk(_ context.Context, in *Input) ([]diskFact, error) {
	dirs := []string{in.Config.DataDir, in.Config.StateDir}
	if strings.HasPrefix(in.Config.StateDir, in.Config.DataDir+"/") && nearest(in.path(in.Config.StateDir)) == in.path(in.Config.DataDir) {
		dirs = dirs[:1]
	}
	var facts []diskFact
	for _, dir := range dirs {
		f, err := in.diskOf(dir)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	split, err := splitFolders(in.path(in.Config.DataDir))
	facts[0].split = split
	return facts, err
}

func (in *Input) diskOf(dir string) (diskFact, error) {
	f := diskFact{dir: dir, at: nearest(in.path(dir))}
	var st unix.Statfs_t
	if err := unix.Statfs(f.at, &st); err != nil {
		return f, fmt.Errorf("looking at the file system of %s: %w", f.at, err)
	}
	f.free, f.files = int64(st.Bavail)*st.Bsize, int64(st.Ffree)
	if st.Files == 0 {
		f.files = -1 // a file system that makes them as it goes
	}
	f.readOnly = st.Flags&unix.ST_RDONLY != 0
	f.memory = st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC
	f.denied = unix.Faccessat(unix.AT_FDCWD, f.at, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	return f, nil
}

// nearest is dir, or the first folder above it that is there.
func nearest(dir string) string {
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return dir
}

// splitFolders finds folders of instances of which a part is another file system:
// the engine writes a new file there and renames it over the old one, which works
// within a file system only.
func splitFolders(data string) ([]string, error) {
	entries, err := os.ReadDir(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var split []string
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), string(fleet.KindRedis)+"-") && !strings.HasPrefix(e.Name(), string(fleet.KindSentinel)+"-") {
			continue
		}
		dir := filepath.Join(data, e.Name())
		inside, readErr := os.ReadDir(dir)
		if readErr != nil {
			return nil, readErr
		}
		for _, sub := range inside {
			path := filepath.Join(dir, sub.Name())
			if on, isDir := folder(path); isDir && on != deviceOf(dir) {
				split = append(split, path)
			}
		}
	}
	return split, err
}

// folder tells on which device a folder is, at the end of a link too; false for
// what is none.
func folder(path string) (device uint64, isDir bool) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return 0, false
	}
	return deviceOf(path), true
}

func deviceOf(path string) uint64 {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0
	}
	return uint64(st.Dev)
}

// leastFree is what sentinel.conf, the agent's state and an empty dataset take,
// with room for their replacements.
const leastFree = 64 << 20

// leastFiles is the same in files.
const leastFiles = 1000

func judgeDisk(in *Input, facts []diskFact) Finding {
	for _, f := range facts {
		switch {
		case f.readOnly:
			return fail("mount it for writing, or name another data_dir in agent.toml", "%s is on a file system that is mounted read-only (%s)", f.dir, f.at)
		case f.denied != nil:
			return fail("run it as root; else see the folder's owner and mode", "%s cannot be written: %v", f.at, f.denied)
		case f.free < leastFree:
			return fail("free some space, or name another data_dir in agent.toml", "%s has %s free, %s is the least", f.dir, mib(f.free), mib(leastFree))
		case 0 <= f.files && f.files < leastFiles:
			return fail("remove files from it; df -i counts them", "the file system of %s takes only %d more files", f.dir, f.files)
		case f.memory:
			return warn("name a data_dir on a disk in agent.toml", "%s is in memory (tmpfs): a reboot takes all data, and all that the agent must not forget", f.dir)
		}
	}
	data := facts[0]
	if len(data.split) > 0 {
		return fail("let the whole folder of an instance be on one file system", "%s is a file system of its own: the engine cannot rename its new files over the old ones",
			strings.Join(data.split, ", "))
	}
	if need, asked := in.diskNeed(); need > data.free {
		return warn("give data_dir more space, or lower maxmemory", "%s has %s free; %s", data.dir, mib(data.free), asked)
	}
	return ok("%s: %s free on %s, can be written", data.dir, mib(data.free), data.at)
}

// diskNeed is what the datasets can come to take: a snapshot beside the one that
// it replaces, and with AOF a rewrite beside the old files besides.
func (in *Input) diskNeed() (need int64, asked string) {
	var parts []string
	for _, i := range in.Plan.servers() {
		n := bytesOf(i.Config, "maxmemory")
		if n == 0 {
			continue
		}
		times := int64(2)
		if v := i.Config["appendonly"]; len(v) == 1 && v[0] == "yes" {
			times = 4
		}
		need += times * n
		parts = append(parts, fmt.Sprintf("%s with maxmemory %s can take %s while it saves", i.ID, mib(n), mib(times*n)))
	}
	return need, strings.Join(parts, ", ")
}
