package observe

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/internal/fleet"
)

// fileMark changes with what decides whether a server can rewrite its redis.conf:
// the file, the folder, in which the engine makes a new one, and the file system
// under it. A mark that changed has CONFIG REWRITE tried at once (hazard S15);
// what leaves no trace here, as chattr does, is found within rewriteEvery.
type fileMark struct {
	size         int64
	at           time.Time
	file, folder access
	// readOnly and full: nothing can be written to the file system.
	readOnly, full bool
}

// access is who may do what.
type access struct {
	mode     os.FileMode
	uid, gid uint32
}

func (o *Observer) mark(id fleet.InstanceID) fileMark {
	dir := apply.Dir(o.DataDir, id)
	var m fileMark
	if info, err := os.Stat(filepath.Join(dir, "redis.conf")); err == nil {
		m.size, m.at, m.file = info.Size(), info.ModTime(), accessOf(info)
	}
	if info, err := os.Stat(dir); err == nil {
		m.folder = accessOf(info)
	}
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) == nil {
		m.readOnly, m.full = fs.Flags&syscall.MS_RDONLY != 0, fs.Bavail == 0
	}
	return m
}

func accessOf(info os.FileInfo) access {
	a := access{mode: info.Mode()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		a.uid, a.gid = st.Uid, st.Gid
	}
	return a
}
