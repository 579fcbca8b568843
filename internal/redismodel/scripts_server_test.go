package redismodel

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tell makes an observation of each command's reply, on one connection each.
func (s *stage) tell(n int, commands ...string) {
	for _, line := range commands {
		s.see("%s: %s", line, s.ask(s.redis(n), strings.Fields(line)...))
	}
}

func masterReplies(s *stage) {
	s.serverConf(1, "min-replicas-to-write 0", "repl-backlog-size 2mb")
	s.up(s.redis(1))
	for _, password := range []string{"", "wrong"} {
		for _, args := range [][]string{{"PING"}, {"SET", "a", "b"}, {"ROLE"}} {
			v, err := s.send(s.redis(1), password, args)
			s.see("%s with password %q: %s %v", args[0], password, v.plain(), err)
		}
	}
	s.tell(1, "PING", "ROLE", "SET a b", "GET a", "GET none", "SET a c NX", "SET a c XX", "DEL a none", "INCR n", "INCR n", "APPEND t x", "EXISTS t",
		"DBSIZE", "KEYS n*", "ECHO x", "NONSENSE x", "GET", "SELECT 99", "CONFIG GET requirepass", "CONFIG GET repl-backlog-size", "CONFIG GET nothing",
		"CONFIG GET replica-priority", "CONFIG GET slave-priority", "CONFIG SET replica-priority 7", "CONFIG GET replica-priority",
		"CONFIG SET nonsense 1", "CONFIG SET databases 3", "WAIT 1 50", "WAIT 0 50", "REPLICAOF NO ONE", "REPLICAOF 1.2.3.4 99999",
		"ACL WHOAMI", "ACL GETUSER nobody", "CLIENT GETNAME", "EXEC", "DISCARD-X", "SUBSCRIBE c", "PUBLISH c m", "AUTH wrong", "HELLO 9",
		"CONFIG SET min-replicas-to-write 1", "SET a b", "GET t", "CONFIG SET min-replicas-to-write 0", "SET a b", "ACL GETUSER default")
	v, err := s.send(s.redis(1), s.password, []string{"MULTI"}, []string{"SET", "m", "1"}, []string{"INCR", "m"}, []string{"EXEC"})
	s.see("a transaction: %s %v", v.plain(), err)
	v, err = s.send(s.redis(1), s.password, []string{"MULTI"}, []string{"NONSENSE"}, []string{"EXEC"})
	s.see("a broken transaction: %s %v", v.plain(), err)
	v, err = s.send(s.redis(1), "", []string{"HELLO", "2", "AUTH", "default", s.password}, []string{"GET", "m"})
	s.see("HELLO with AUTH: %s %v", v.plain(), err)
	began := time.Now()
	s.tell(1, "CLIENT PAUSE 400 WRITE", "GET m", "PING", "SET m 2")
	s.see("the write waited for the end of the pause: %t", time.Since(began) >= 390*time.Millisecond)
	s.tell(1, "CLIENT PAUSE 60000 WRITE", "GET m", "CLIENT UNPAUSE", "SET m 3")
	s.tell(1, "ACL SETUSER default >second", "CONFIG REWRITE")
	v, err = s.send(s.redis(1), "second", []string{"GET", "m"})
	s.see("a second password: %s %v", v.plain(), err)
	s.see("user lines: %q", s.file(s.redis(1)).Get("user"))
	s.tell(1, "CONFIG SET requirepass third", "PING")
	s.password = "third"
	s.tell(1, "PING", "CONFIG REWRITE")
	s.end(s.redis(1), syscall.SIGKILL)
	s.up(s.redis(1))
	s.see("after a restart: priority %s, keys %s, %s", s.info(s.redis(1), "replication", "slave_priority"), s.ask(s.redis(1), "DBSIZE"), s.role(1))
	for _, field := range []string{"role", "connected_slaves", "master_replid2", "master_repl_offset", "second_repl_offset", "repl_backlog_active"} {
		s.see("%s: %s", field, s.info(s.redis(1), "replication", field))
	}
	s.see("aof_enabled:%s loading:%s %s %s", s.info(s.redis(1), "persistence", "aof_enabled"), s.info(s.redis(1), "persistence", "loading"),
		s.info(s.redis(1), "persistence", "rdb_last_bgsave_status"), s.info(s.redis(1), "persistence", "aof_last_write_status"))
	v, err = s.send(s.redis(1), s.password, []string{"SHUTDOWN", "NOSAVE"})
	s.see("SHUTDOWN: %s %v", v.plain(), err)
	<-s.procs[s.name(s.redis(1))].Done()
}

func replicaReplies(s *stage) {
	s.serverConf(1, "appendonly yes")
	s.serverConf(2, fmt.Sprintf("replicaof %s 6379", s.g.host(1)), "appendonly yes")
	s.serverConf(3, fmt.Sprintf("replicaof %s 6379", s.g.host(1)), "masterauth wrong")
	for n := 1; n <= 3; n++ {
		s.up(s.redis(n))
	}
	s.await("2 is in sync", 15*time.Second, func() bool { return s.role(2) == "slave of h1 connected" })
	s.tell(1, "SET a b")
	s.await("a is there", 5*time.Second, func() bool { return s.ask(s.redis(2), "GET", "a") == "b" })
	s.tell(2, "SET a c", "DEL a", "INCR n", "WAIT 1 10", fmt.Sprintf("REPLICAOF %s 6379", s.g.host(1)), "PUBLISH c m")
	s.see("3 with a wrong masterauth is down: %t, synced never: %s, offset %s", !strings.HasSuffix(s.role(3), "connected"),
		s.info(s.redis(3), "replication", "master_link_down_since_seconds"), strings.Fields(s.ask(s.redis(3), "ROLE"))[4])
	s.see("what a replica says: %s %s %s %s", s.info(s.redis(2), "replication", "master_link_status"),
		s.info(s.redis(2), "replication", "master_sync_in_progress"), s.info(s.redis(2), "replication", "slave_read_only"),
		s.info(s.redis(2), "replication", "connected_slaves"))
	s.await("its offset is known", 10*time.Second, func() bool {
		return regexp.MustCompile(`^ip=h2,port=6379,state=online,offset=[1-9]\d*,lag=[01]$`).MatchString(s.info(s.redis(1), "replication", "slave0"))
	})
	v, err := s.send(s.redis(1), s.password, []string{"SET", "a", "d"}, []string{"WAIT", "1", "5000"})
	s.see("WAIT for one: %s %v", v.plain(), err)
	// First for the one that can answer, which has more time for it.
	v, err = s.send(s.redis(1), s.password, []string{"SET", "a", "d"}, []string{"WAIT", "1", "5000"}, []string{"WAIT", "2", "100"})
	s.see("WAIT for two: %s %v", v.plain(), err)
	s.see("one replid: %t", s.info(s.redis(1), "replication", "master_replid") == s.info(s.redis(2), "replication", "master_replid"))
	s.tell(3, "CONFIG SET masterauth "+s.password)
	took := s.await("3 is in sync", 15*time.Second, func() bool { return s.role(3) == "slave of h1 connected" })
	s.time("a right password", took, 2*time.Second)
	ended := time.Now()
	s.end(s.redis(1), syscall.SIGKILL)
	s.await("2 sees it", 10*time.Second, func() bool { return !strings.HasSuffix(s.role(2), "connected") })
	s.tell(2, "GET a", "SET a x")
	since, err := strconv.Atoi(s.info(s.redis(2), "replication", "master_link_down_since_seconds"))
	// A difference of two clocks in whole seconds: one more where a second began between.
	s.see("down since the end, and no longer: %t %v", since >= 0 && since <= int(time.Since(ended)/time.Second)+1, err)
	s.up(s.redis(1))
	took = s.await("2 is back", 15*time.Second, func() bool { return s.role(2) == "slave of h1 connected" })
	s.time("reconnect", took, 1500*time.Millisecond)
	s.tell(1, "GET a")
}

// tooFewReplicas: a replica counts as long as its last word is no older than
// min-replicas-max-lag, in whole seconds.
func tooFewReplicas(s *stage) {
	s.serverConf(1)
	s.up(s.redis(1))
	for n := 2; n <= 3; n++ {
		s.serverConf(n, fmt.Sprintf("replicaof %s 6379", s.g.host(1)))
		s.up(s.redis(n))
	}
	s.tell(1, "CONFIG SET min-replicas-to-write 2", "CONFIG SET min-replicas-max-lag 2")
	s.await("two good ones", 10*time.Second, func() bool { return s.ask(s.redis(1), "SET", "a", "e") == "OK" })
	s.signal(s.redis(3), syscall.SIGSTOP)
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the master says %q and %q", s.ask(s.redis(1), "SET", "a", "e"), s.ask(s.redis(1), "INFO", "replication"))
		}
	}()
	took := s.await("one is too few", 15*time.Second, func() bool { return strings.HasPrefix(s.ask(s.redis(1), "SET", "a", "e"), "NOREPLICAS") })
	// 1 to 4 s: its last word was up to one before, "older than 2" is 2 to 3 in whole
	// seconds, and the master counts once in each.
	s.time("NOREPLICAS", took, 2*time.Second)
	s.signal(s.redis(3), syscall.SIGCONT)
}

// history is where a server stands, with ids as letters by their first sight.
func (s *stage) history(n int, ids map[string]string) string {
	id := func(field string) string {
		v := s.info(s.redis(n), "replication", field)
		if strings.Trim(v, "0") == "" {
			return "none"
		}
		if ids[v] == "" {
			ids[v] = string(rune('A' + len(ids)))
		}
		return ids[v]
	}
	return fmt.Sprintf("%d: %s id %s before %s keys %s", n, s.role(n), id("master_replid"), id("master_replid2"), s.ask(s.redis(n), "DBSIZE"))
}

func histories(s *stage) {
	// A master's PING, every ten seconds, counts in the offset: none is to come here.
	lines := []string{"save 3600 1", "repl-ping-replica-period 3600"}
	s.serverConf(1, lines...)
	s.up(s.redis(1))
	ids := map[string]string{}
	s.tell(1, "SET a 1")
	s.see("alone, before: offset %s", s.info(s.redis(1), "replication", "master_repl_offset"))
	for n := 2; n <= 3; n++ {
		s.serverConf(n, append(lines, fmt.Sprintf("replicaof %s 6379", s.g.host(1)))...)
		s.up(s.redis(n))
		s.await("in sync", 15*time.Second, func() bool { return s.role(n) == "slave of h1 connected" })
	}
	all := func(what string) {
		for n := 1; n <= 3; n++ {
			s.see("%s: %s", what, s.history(n, ids))
		}
	}
	all("in sync")
	s.tell(1, "SET b 2")
	same := func(a, b int) func() bool {
		return func() bool {
			return s.info(s.redis(a), "replication", "master_repl_offset") == s.info(s.redis(b), "replication", "master_repl_offset")
		}
	}
	s.await("the same offset", 5*time.Second, same(1, 2))
	s.await("the same offset", 5*time.Second, same(1, 3))
	s.see("offset after a write: %s", s.info(s.redis(1), "replication", "master_repl_offset"))
	s.tell(2, "REPLICAOF NO ONE", "SET c 3")
	s.tell(3, fmt.Sprintf("REPLICAOF %s 6379", s.g.host(2)))
	s.await("3 follows 2", 15*time.Second, func() bool { return s.role(3) == "slave of h2 connected" })
	s.await("c is there", 5*time.Second, func() bool { return s.ask(s.redis(3), "GET", "c") == "3" })
	all("2 promoted")
	s.tell(1, fmt.Sprintf("REPLICAOF %s 6379", s.g.host(2)))
	s.await("1 follows 2", 15*time.Second, func() bool { return s.role(1) == "slave of h2 connected" })
	// What it missed comes after the word that it may go on.
	s.await("the same offset", 5*time.Second, same(1, 2))
	all("1 follows, nothing lost")
	s.tell(3, "REPLICAOF NO ONE", "SET d 4", "SET e 5", fmt.Sprintf("REPLICAOF %s 6379", s.g.host(2)))
	s.await("3 follows again", 15*time.Second, func() bool { return s.role(3) == "slave of h2 connected" })
	all("3 had gone astray")
	// A restart from an RDB file: the replica goes on where it was.
	s.tell(3, "CONFIG REWRITE")
	s.end(s.redis(3), syscall.SIGTERM)
	s.up(s.redis(3))
	s.await("3 is back", 15*time.Second, func() bool { return s.role(3) == "slave of h2 connected" })
	all("3 restarted")
	s.tell(2, "CONFIG REWRITE")
	s.end(s.redis(2), syscall.SIGTERM)
	s.up(s.redis(2))
	s.await("all are back", 15*time.Second, func() bool { return s.role(1) == "slave of h2 connected" && s.role(3) == "slave of h2 connected" })
	all("the master restarted")
}

func unwritableFile(s *stage) {
	s.prefer(2)
	s.group(3)
	s.tell(1, "SET k v")
	// A folder in the place of the file: no process may write there, root's neither.
	for n := 1; n <= 2; n++ {
		path := s.confPath(s.redis(n))
		if err := os.Rename(path, path+".kept"); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			s.t.Fatal(err)
		}
		s.see("CONFIG REWRITE: %s", s.ask(s.redis(n), "CONFIG", "REWRITE"))
	}
	s.see("FAILOVER: %s", s.ask(s.sentinel(1), "SENTINEL", "FAILOVER", groupName))
	s.await("2 is promoted", 15*time.Second, func() bool { return s.role(2) == "master" })
	s.await("3 follows", 15*time.Second, func() bool { return s.role(3) == "slave of h2 connected" })
	for n := 1; n <= 2; n++ {
		path := s.confPath(s.redis(n))
		if err := os.Remove(path); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Rename(path+".kept", path); err != nil {
			s.t.Fatal(err)
		}
	}
	s.see("3's file: %q", s.file(s.redis(3)).Get("replicaof"))
	s.end(s.redis(2), syscall.SIGKILL)
	s.up(s.redis(2))
	s.see("2 has forgotten its promotion: %s", strings.Fields(s.role(2))[0])
}

func masterWithoutData(s *stage) {
	// It is back before anybody takes it for down. A sentinel that has just been refused
	// tries again a second later, and counts from the last answer, a second before.
	s.downAfter = 30 * time.Second
	s.group(2)
	s.tell(1, "SET k v")
	s.await("k is there", 5*time.Second, func() bool { return s.ask(s.redis(2), "GET", "k") == "v" })
	s.end(s.redis(1), syscall.SIGKILL)
	s.up(s.redis(1))
	s.await("the replica is in sync", 15*time.Second, func() bool { return s.role(2) == "slave of h1 connected" })
	s.await("and wiped", 15*time.Second, func() bool { return s.ask(s.redis(2), "GET", "k") == "nil" })
	s.see("k: %s %s; the sentinel names %s", s.ask(s.redis(1), "GET", "k"), s.ask(s.redis(2), "GET", "k"), s.named(1))
}

func refusesToEnd(s *stage) {
	s.serverConf(1, "save 3600 1", "dir "+filepath.Join(s.dir, "data"))
	if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.up(s.redis(1))
	s.tell(1, "SET k v")
	// The file's name is a folder: no rename goes there, be it root's.
	blocked := filepath.Join(s.dir, "data", "dump.rdb")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.tell(1, "SHUTDOWN SAVE", "SHUTDOWN")
	s.signal(s.redis(1), syscall.SIGTERM)
	time.Sleep(300 * time.Millisecond)
	s.tell(1, "GET k", "SET k w")
	if err := os.RemoveAll(blocked); err != nil {
		s.t.Fatal(err)
	}
	s.end(s.redis(1), syscall.SIGTERM)
	s.up(s.redis(1))
	s.tell(1, "GET k")
}
