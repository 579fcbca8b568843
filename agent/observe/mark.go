package observe

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
)

// aofMark tells one content of an instance's append-only files from another: it
// changes with every write. Empty where there are none.
//
// An append-only file that is not empty may still hold no key, as after a SET
// and a DEL. Only the server that loaded it knows; so the agent keeps the mark
// under which it saw the server without keys, and while the mark is the same the
// files count as empty.
func (o *Observer) aofMark(id fleet.InstanceID) string {
	newest, size := newestOf(o.aofFiles(id))
	if newest.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d-%d", newest.UnixNano(), size)
}

// dataBytes is the size of all data files of an instance.
func (o *Observer) dataBytes(id fleet.InstanceID) int64 {
	_, size := newestOf(append(o.aofFiles(id), filepath.Join(apply.Dir(o.DataDir, id), rdb.DefaultNames().RDB)))
	return size
}

func (o *Observer) aofFiles(id fleet.InstanceID) []string {
	dir, names := apply.Dir(o.DataDir, id), rdb.DefaultNames()
	paths, _ := filepath.Glob(filepath.Join(dir, names.AOFDir, "*"))
	return append(paths, filepath.Join(dir, names.AOF))
}

// newestOf gives the time of the last change and the size of the files that are there.
func newestOf(paths []string) (newest time.Time, size int64) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		size += info.Size()
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest, size
}

// knownEmpty: the append-only files are those under which the server was last
// seen without a key, and there is no data beside them.
func (o *Observer) knownEmpty(id fleet.InstanceID, files rdb.Files, emptyMark string) bool {
	return files.AOF && !files.RDB && len(files.Problems) == 0 && emptyMark != "" && o.aofMark(id) == emptyMark
}
