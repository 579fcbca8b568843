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
	dir, names := apply.Dir(o.DataDir, id), rdb.DefaultNames()
	var newest time.Time
	var size int64
	paths, _ := filepath.Glob(filepath.Join(dir, names.AOFDir, "*"))
	for _, path := range append(paths, filepath.Join(dir, names.AOF)) {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		size += info.Size()
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	if newest.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d-%d", newest.UnixNano(), size)
}

// knownEmpty: the append-only files are those under which the server was last
// seen without a key, and there is no data beside them.
func (o *Observer) knownEmpty(id fleet.InstanceID, files rdb.Files, emptyMark string) bool {
	return files.AOF && !files.RDB && len(files.Problems) == 0 && emptyMark != "" && o.aofMark(id) == emptyMark
}
