package redismodel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
)

func (s *stage) folder(addr fleet.Addr) string { return filepath.Dir(s.confPath(addr)) }

// files is what internal/rdb finds in a server's folder.
func (s *stage) files(n int) string {
	s.t.Helper()
	f, err := rdb.Inspect(s.folder(s.redis(n)), rdb.DefaultNames())
	if err != nil {
		s.t.Fatal(err)
	}
	d := f.Dataset()
	return fmt.Sprintf("rdb %t aof %t aof exists %t only rdb %t present %t version %d id known %t problems %d",
		f.RDB, f.AOF, f.AOFExists, f.OnlyRDB(), d.Present, f.Aux.Version, d.ReplID != "", len(f.Problems))
}

// dataFiles: what is on disk after each sort of end, and what a start makes of it
// (hazards D1, D3).
func dataFiles(s *stage) {
	s.serverConf(1, "save 3600 1")
	s.up(s.redis(1))
	s.see("nothing yet: %s", s.files(1))
	s.tell(1, "SET a 1", "SAVE")
	s.see("saved, never a replica: %s", s.files(1))
	s.tell(1, "SET b 2")
	s.end(s.redis(1), syscall.SIGKILL)
	s.up(s.redis(1))
	s.see("killed after one more: %s", s.ask(s.redis(1), "DBSIZE"))
	s.tell(1, "SET b 2")
	s.end(s.redis(1), syscall.SIGTERM)
	s.see("stopped: %s", s.files(1))
	s.up(s.redis(1))
	s.see("and started: %s", s.ask(s.redis(1), "DBSIZE"))
	// A replica has the id of the history on its disk.
	s.serverConf(2, fmt.Sprintf("replicaof %s 6379", s.g.host(1)))
	s.up(s.redis(2))
	s.await("2 is in sync", 5*time.Second, func() bool { return s.role(2) == "slave of h1 connected" })
	f, err := rdb.Inspect(s.folder(s.redis(2)), rdb.DefaultNames())
	s.see("a replica: %s, its master's id %t %v", s.files(2), f.Aux.ReplID == s.info(s.redis(1), "replication", "master_replid"), err)
	s.tell(1, "CONFIG SET appendonly yes")
	s.await("the AOF has the data", 5*time.Second, func() bool {
		f, err := rdb.Inspect(s.folder(s.redis(1)), rdb.DefaultNames())
		return err == nil && f.AOF
	})
	s.tell(1, "SET c 3")
	s.end(s.redis(1), syscall.SIGKILL)
	// Without the directive in the file it starts from the RDB file.
	s.up(s.redis(1))
	s.see("from the RDB file: %s", s.ask(s.redis(1), "DBSIZE"))
	s.end(s.redis(1), syscall.SIGKILL)
	s.serverConf(1, "appendonly yes", "save 3600 1")
	s.up(s.redis(1))
	s.see("from the AOF: %s", s.ask(s.redis(1), "DBSIZE"))
	s.tell(1, "SET d 4")
	s.end(s.redis(1), syscall.SIGKILL)
	s.cutTail()
	s.up(s.redis(1))
	s.see("a tail that was cut off: %s, %s", s.ask(s.redis(1), "DBSIZE"), s.ask(s.redis(1), "GET", "c"))
	s.end(s.redis(1), syscall.SIGKILL)
	if err := os.RemoveAll(filepath.Join(s.folder(s.redis(1)), "appendonlydir")); err != nil {
		s.t.Fatal(err)
	}
	s.see("an RDB file and no AOF: %s", s.files(1))
	s.up(s.redis(1))
	s.see("started with the AOF on (D3): %s", s.ask(s.redis(1), "DBSIZE"))
}

// cutTail takes the last bytes of the AOF, as a loss of power can.
func (s *stage) cutTail() {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.folder(s.redis(1)), "appendonlydir", "*.incr.aof"))
	if err != nil || len(found) == 0 {
		s.t.Fatalf("no increment of the AOF: %v", err)
	}
	last := found[len(found)-1]
	info, err := os.Stat(last)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.Truncate(last, info.Size()-3); err != nil {
		s.t.Fatal(err)
	}
}

// loadingMaster: a master that loads for long counts as alive, but for
// master-reboot-down-after-period (hazard S8).
func loadingMaster(s *stage) {
	s.prefer(2)
	s.group(3, "save 3600 1", "rdbcompression no")
	for n := 1; n <= 3; n++ {
		s.tellSentinel(n, "SENTINEL SET main master-reboot-down-after-period 1000")
	}
	value := strings.Repeat("x", 2000)
	for key := range 40 {
		if got := s.ask(s.redis(1), "SET", fmt.Sprint("k", key), value); got != "OK" {
			s.t.Fatal(got)
		}
	}
	s.tell(1, "SAVE")
	s.end(s.redis(1), syscall.SIGKILL)
	// 40 keys of 0.6 s each: the sentinels read INFO, and so learn of the restart, every 10 s.
	f := s.file(s.redis(1))
	s.write(s.redis(1), strings.TrimSpace(string(f.Bytes())), "key-load-delay 600000", "loading-process-events-interval-bytes 1024")
	p, err := s.g.start(s.confPath(s.redis(1)), false)
	if err != nil {
		s.t.Fatal(err)
	}
	s.procs[s.name(s.redis(1))] = p
	s.await("it loads", 6*time.Second, func() bool { return strings.HasPrefix(s.ask(s.redis(1), "GET", "k1"), "LOADING") })
	s.see("meanwhile: %s, loading %s", strings.Fields(s.role(1))[0], s.info(s.redis(1), "persistence", "loading"))
	s.await("2 is promoted", 20*time.Second, func() bool { return s.role(2) == "master" })
	s.see("while 1 still loads: %s", s.info(s.redis(1), "persistence", "loading"))
}
