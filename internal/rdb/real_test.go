package rdb

import (
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redistest"
)

const host = "127.0.0.141"

// server is a real redis-server whose data files are looked at.
type server struct {
	*redistest.Proc
	t    *testing.T
	dir  string
	port int
	conf string
}

func newServer(t *testing.T, settings string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), port: redistest.FreePort(t, host)}
	s.conf = fmt.Sprintf("bind %s\nport %d\ndir %s\nrepl-diskless-sync-delay 0\n", host, s.port, s.dir)
	s.start(settings)
	return s
}

func (s *server) start(settings string) {
	s.t.Helper()
	path := redistest.Write(s.t, s.dir, "redis.conf", []byte(s.conf+settings))
	s.Proc = redistest.Start(s.t, path, fmt.Sprintf("%s:%d", host, s.port), "")
}

func (s *server) dataset() fleet.Dataset {
	s.t.Helper()
	d, err := Dataset(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *server) offset() int64 {
	s.t.Helper()
	n, err := strconv.ParseInt(s.Info("master_repl_offset"), 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// atRest: no AOF is being written. While the first one is, as after a full sync,
// the engine refuses SIGTERM and forgets it ("Writing initial AOF. Can't exit.").
func (s *server) atRest() bool {
	return s.Info("aof_rewrite_in_progress") == "0" && s.Info("aof_rewrite_scheduled") == "0"
}

// A master and its replica that were shut down are known by their files: one
// lineage, and the offsets at which they stood.
func TestFilesOfAShutdown(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{"appendonly no\n", "appendonly yes\n"} {
		t.Run(settings, func(t *testing.T) {
			t.Parallel()
			master := newServer(t, settings)
			replica := newServer(t, settings+fmt.Sprintf("replicaof %s %d\n", host, master.port))
			master.Do("SET", "k", "v")
			redistest.Until(t, "the replica has caught up", func() bool {
				return replica.Info("master_link_status") == "up" && replica.Do("DBSIZE") == int64(1) && replica.atRest()
			})
			lineage, replicaAt := master.Info("master_replid"), replica.offset()
			replica.Stop(syscall.SIGTERM)
			masterAt := master.offset()
			master.Stop(syscall.SIGTERM)
			for name, got := range map[string]struct {
				set fleet.Dataset
				at  int64
			}{"master": {master.dataset(), masterAt}, "replica": {replica.dataset(), replicaAt}} {
				d := got.set
				if !d.Present || d.ReplID != lineage || d.Offset < got.at || d.Offset > masterAt+1000 || time.Since(d.Newest) > time.Minute {
					t.Errorf("%s: %+v, want lineage %s from offset %d on", name, d, lineage, got.at)
				}
			}
		})
	}
}

func TestFilesOfAKill(t *testing.T) {
	t.Parallel()
	s := newServer(t, "appendonly yes\nappendfsync always\n")
	if d := s.dataset(); d.Present {
		t.Errorf("a server that never took a write: %+v", d)
	}
	s.Do("SET", "k", "v")
	s.Stop(syscall.SIGKILL)
	if d := s.dataset(); !d.Present || d.ReplID != "" || d.Newest.IsZero() {
		t.Errorf("killed with one write in its AOF: %+v, want data of unknown lineage", d)
	}
}

func TestEmptyRDBIsNoData(t *testing.T) {
	t.Parallel()
	s := newServer(t, "appendonly no\n")
	s.Do("SET", "k", "v")
	s.Do("SAVE")
	if a, err := ReadAux(filepath.Join(s.dir, "dump.rdb")); err != nil || a.Empty || !a.Complete || a.Server == "" ||
		a.UsedMem == 0 || time.Since(a.Created) > time.Minute {
		t.Errorf("a file with a key: %+v, %v", a, err)
	}
	s.Do("FLUSHALL")
	s.Do("SAVE")
	if d := s.dataset(); d.Present {
		t.Errorf("a saved empty dataset: %+v", d)
	}
	s.Do("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
	s.Do("SAVE")
	if d := s.dataset(); !d.Present {
		t.Errorf("a function is data too: %+v", d)
	}
}

// Hazard D3 as it is on this engine: with appendonly yes an RDB file without an
// AOF is ignored. OnlyRDB says so beforehand, and starting with appendonly no
// first keeps the data.
func TestOnlyRDBWarnsOfD3(t *testing.T) {
	t.Parallel()
	s := newServer(t, "appendonly no\n")
	s.Do("SET", "k", "v")
	s.Stop(syscall.SIGTERM)
	if f, err := Inspect(s.dir, DefaultNames()); err != nil || !f.OnlyRDB() {
		t.Fatalf("%+v, %v: want OnlyRDB", f, err)
	}
	s.start("appendonly no\n")
	s.Do("CONFIG", "SET", "appendonly", "yes")
	redistest.Until(t, "the AOF is written", s.atRest)
	s.Stop(syscall.SIGKILL)
	s.start("appendonly yes\n")
	if n := s.Do("DBSIZE"); n != int64(1) {
		t.Errorf("%v keys after the careful way, want 1", n)
	}
	other := newServer(t, "appendonly no\n")
	other.Do("SET", "k", "v")
	other.Stop(syscall.SIGTERM)
	other.start("appendonly yes\n")
	if n := other.Do("DBSIZE"); n != int64(0) {
		t.Errorf("%v keys: this engine loads the RDB file, D3 no longer applies", n)
	}
}
