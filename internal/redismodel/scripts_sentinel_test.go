package redismodel

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// tellSentinel makes an observation of each reply of a sentinel.
func (s *stage) tellSentinel(n int, commands ...string) {
	for _, line := range commands {
		s.see("%s: %s", line, s.ask(s.sentinel(n), strings.Fields(line)...))
	}
}

func sentinelReplies(s *stage) {
	s.group(2)
	for _, password := range []string{"", "wrong"} {
		v, err := s.send(s.sentinel(1), password, []string{"SENTINEL", "MYID"})
		s.see("with password %q: %s %v", password, v.plain(), err)
	}
	s.tellSentinel(1, "PING", "ROLE", "SENTINEL MYID", "SENTINEL CKQUORUM main", "SENTINEL CKQUORUM other", "SENTINEL MASTER other",
		"SENTINEL GET-MASTER-ADDR-BY-NAME other", "SENTINEL REPLICAS other", "SENTINEL FAILOVER other", "SENTINEL SET main quorum 0",
		"SENTINEL SET main nonsense 1", "SENTINEL MONITOR main 1.2.3.4 6379 2", "SENTINEL MONITOR more 1.2.3.4 6379 0", "SENTINEL REMOVE other",
		"SENTINEL RESET other", "PUBLISH other x", "SET a b", "ACL WHOAMI", "SENTINEL FLUSHCONFIG", "INFO sentinel")
	for _, field := range []string{"name", "flags", "num-slaves", "num-other-sentinels", "quorum", "failover-timeout", "parallel-syncs", "config-epoch", "role-reported", "down-after-milliseconds", "failover-state"} {
		s.see("%s: %s", field, s.entry(1, field))
	}
	for _, field := range []string{"name", "flags", "master-link-status", "master-host", "slave-priority", "role-reported", "master-link-down-time", "replica-announced"} {
		s.see("replica's %s: %s", field, s.replicaEntry(1, s.redis(2), field))
	}
	s.await("an answer of the master tells that there was one", 5*time.Second, func() bool { return s.heard(1, groupName) })
	s.see("replica's run id is known: %t", s.replicaEntry(1, s.redis(2), "runid") == s.info(s.redis(2), "server", "run_id"))
	s.see("fields of a replica: %s", s.fields("REPLICAS"))
	s.see("fields of a peer: %s", s.fields("SENTINELS"))
	s.tellSentinel(1, "SENTINEL SET main failover-timeout 4000", "SENTINEL SET main quorum 1")
	s.see("in the file: %q %q", s.file(s.sentinel(1)).Get("sentinel failover-timeout"), s.file(s.sentinel(1)).Get("sentinel monitor"))
	// A hello of a higher epoch moves the master, whoever says it.
	s.tellSentinel(1, fmt.Sprintf("PUBLISH __sentinel__:hello %s,26379,%s,7,main,%s,6379,7", s.g.host(9), myID(9), s.g.host(2)))
	s.see("named after it: %s, config epoch %s, peers %s, file %s", s.named(1), s.entry(1, "config-epoch"), s.entry(1, "num-other-sentinels"), s.name(s.state(1).Addr))
	s.await("its peer knows too", 15*time.Second, func() bool { return s.named(2) == "h2:6379" && s.entry(2, "config-epoch") == "7" })
	// Else it makes itself known again, every 2 s, which may be right after the RESET.
	s.end(s.sentinel(2), syscall.SIGKILL)
	s.tellSentinel(1, "SENTINEL RESET main")
	s.see("right after a RESET: %s peers, %s replicas", s.entry(1, "num-other-sentinels"), s.entry(1, "num-slaves"))
	s.see("the file: %d sentinels, %d replicas", len(s.state(1).KnownSentinels), len(s.state(1).KnownReplicas))
	s.tellSentinel(1, "SENTINEL REMOVE main", "SENTINEL MASTERS", "SENTINEL MONITOR more 1.2.3.4 6379 2", "SENTINEL GET-MASTER-ADDR-BY-NAME more")
	s.see("it heard a master that nobody reaches: %t", s.heard(1, "more"))
	s.end(s.sentinel(1), syscall.SIGKILL)
	s.sentinelConf(1, 2, s.redis(1), nil, fmt.Sprintf("sentinel monitor main %s 6379 2", s.g.host(1)))
	s.see("a monitor line twice (S3): starts %t", s.starts(s.sentinel(1)))
}

// starts tells whether a program comes up or ends at its start.
func (s *stage) starts(addr fleet.Addr) (up bool) {
	s.t.Helper()
	p, err := s.g.start(s.confPath(addr), addr.Port == 26379)
	if err != nil {
		return false
	}
	s.procs[s.name(addr)] = p
	s.await("an answer, or the end", 10*time.Second, func() bool {
		select {
		case <-p.Done():
			return true
		default:
			up = s.ask(addr, "PING") == "PONG"
			return up
		}
	})
	return up
}

// fields are the names in the first entry of a list.
func (s *stage) fields(list string) string {
	v, err := s.send(s.sentinel(1), s.password, []string{"SENTINEL", list, groupName})
	if err != nil || len(v.list) == 0 {
		return "none"
	}
	var names []string
	for n := 0; n < len(v.list[0].list); n += 2 {
		names = append(names, v.list[0].list[n].text)
	}
	return strings.Join(names, " ")
}

func noGoodReplica(s *stage) {
	s.group(3, "replica-priority 0")
	s.tellSentinel(1, "SENTINEL FAILOVER main", "SENTINEL CKQUORUM main")
	s.end(s.redis(1), syscall.SIGKILL)
	s.await("all see it down", 15*time.Second, func() bool {
		return strings.Contains(s.entry(1, "flags"), "o_down") && strings.Contains(s.entry(2, "flags"), "o_down")
	})
	time.Sleep(2 * time.Second)
	s.see("roles: %s %s; named %s", strings.Fields(s.role(2))[0], strings.Fields(s.role(3))[0], s.named(1))
	s.tellSentinel(1, "SENTINEL CKQUORUM main")
	s.up(s.redis(1))
	s.await("they follow again", 15*time.Second, func() bool {
		return s.role(2) == "slave of h1 connected" && s.role(3) == "slave of h1 connected"
	})
}

func failoverWithoutVote(s *stage) {
	s.prefer(3)
	s.group(3)
	s.tell(1, "SET k v")
	s.end(s.sentinel(2), syscall.SIGKILL)
	s.end(s.sentinel(3), syscall.SIGKILL)
	s.await("the majority is gone", 15*time.Second, func() bool {
		return strings.HasPrefix(s.ask(s.sentinel(1), "SENTINEL", "CKQUORUM", groupName), "NOQUORUM 1")
	})
	s.tellSentinel(1, "SENTINEL CKQUORUM main", "SENTINEL FAILOVER main", "SENTINEL FAILOVER main")
	took := s.await("3 is promoted", 15*time.Second, func() bool { return s.role(3) == "master" })
	s.time("promotion", took, 700*time.Millisecond)
	took = s.await("it is told to clients", 15*time.Second, func() bool { return s.named(1) == "h3:6379" })
	s.time("named", took, 1500*time.Millisecond)
	s.see("config epoch %s", s.entry(1, "config-epoch"))
	took = s.await("the failover ends", 10*time.Second, func() bool { return !strings.Contains(s.entry(1, "flags"), "failover") })
	s.time("end", took, 3*time.Second)
	s.see("2 is %s", s.role(2))
}

func emptyReplica(s *stage) {
	s.group(2)
	s.tell(1, "SET k v")
	// A third one that cannot log in has never synced, and has the best priority.
	s.serverConf(3, fmt.Sprintf("replicaof %s 6379", s.g.host(1)), "masterauth wrong", "replica-priority 1")
	s.up(s.redis(3))
	for n := 1; n <= 2; n++ {
		s.tellSentinel(n, "SENTINEL SET main quorum 1")
		s.end(s.sentinel(n), syscall.SIGKILL)
	}
	s.quorum = 1
	s.sentinelConf(1, 1, s.redis(1), []int{2, 3})
	s.up(s.sentinel(1))
	s.await("3 is known", 15*time.Second, func() bool {
		return s.replicaEntry(1, s.redis(3), "slave-priority") == "1" && s.replicaEntry(1, s.redis(2), "master-link-status") == "ok"
	})
	s.see("3 as the sentinel sees it: %s %s", s.replicaEntry(1, s.redis(3), "flags"), s.replicaEntry(1, s.redis(3), "master-link-status"))
	s.end(s.redis(1), syscall.SIGKILL)
	s.await("3 is promoted", 15*time.Second, func() bool { return s.role(3) == "master" })
	s.await("2 is wiped", 15*time.Second, func() bool { return s.role(2) == "slave of h3 connected" })
	s.see("k: %s %s", s.ask(s.redis(2), "GET", "k"), s.ask(s.redis(3), "GET", "k"))
}

// earlyRestart: the failover is asked for, and the old master is back before the
// sentinels have taken it for down.
func earlyRestart(s *stage) {
	s.downAfter = 30 * time.Second
	s.prefer(2)
	s.group(3, "appendonly yes")
	s.end(s.redis(1), syscall.SIGKILL)
	s.see("FAILOVER: %s", s.ask(s.sentinel(1), "SENTINEL", "FAILOVER", groupName))
	s.up(s.redis(1))
	s.await("2 is promoted", 15*time.Second, func() bool { return s.role(2) == "master" })
	s.see("two masters: %s %s", s.role(1), s.role(2))
	s.see("writes: %s %s", s.ask(s.redis(1), "SET", "a", "1"), s.ask(s.redis(2), "SET", "b", "2"))
	time.Sleep(2 * time.Second)
	s.see("2 s later: %s %s", s.role(1), s.role(2))
}

func frozenMaster(s *stage) {
	s.prefer(3)
	s.group(3)
	s.tell(1, "SET k v")
	s.signal(s.redis(1), syscall.SIGSTOP)
	s.promoted(3, 3)
	s.await("2 follows", 15*time.Second, func() bool { return s.role(2) == "slave of h3 connected" })
	s.signal(s.redis(1), syscall.SIGCONT)
	s.see("it still thinks it is the %s and takes writes: %s", s.role(1), s.ask(s.redis(1), "SET", "lost", "1"))
	s.see("config epoch is voted epoch: %t", s.state(1).ConfigEpoch == s.state(1).LeaderEpoch)
}

func frozenSentinel(s *stage) {
	s.group(2)
	s.see("tilt before: %s", s.info(s.sentinel(1), "sentinel", "sentinel_tilt"))
	s.signal(s.sentinel(1), syscall.SIGSTOP)
	// Its down-after counts from a PING that it was sent up to a second later.
	s.await("2 sees it", 15*time.Second, func() bool {
		return strings.HasPrefix(s.ask(s.sentinel(2), "SENTINEL", "CKQUORUM", groupName), "NOQUORUM")
	})
	s.see("2 sees it: %s", s.ask(s.sentinel(2), "SENTINEL", "CKQUORUM", groupName))
	time.Sleep(3 * time.Second) // more than the 2 s that make a TILT, which lasts for 30 s
	s.signal(s.sentinel(1), syscall.SIGCONT)
	s.await("TILT", 10*time.Second, func() bool { return s.info(s.sentinel(1), "sentinel", "sentinel_tilt") == "1" })
	s.see("2's tilt: %s", s.info(s.sentinel(2), "sentinel", "sentinel_tilt"))
}

func foreignMaster(s *stage) {
	s.serverConf(3)
	s.up(s.redis(3))
	s.tell(3, "SET foreign 1")
	s.serverConf(1)
	s.serverConf(2, fmt.Sprintf("replicaof %s 6379", s.g.host(1)))
	s.up(s.redis(1))
	s.up(s.redis(2))
	s.tell(1, "SET k v")
	for n := 1; n <= 3; n++ {
		s.sentinelConf(n, 3, s.redis(1), []int{2, 3})
		s.up(s.sentinel(n))
	}
	began := time.Now()
	s.await("the foreign one is a replica", 40*time.Second, func() bool { return s.role(3) == "slave of h1 connected" })
	s.time("conversion", time.Since(began), 3*time.Second)
	s.see("foreign data: %s; k there: %s", s.ask(s.redis(3), "GET", "foreign"), s.ask(s.redis(3), "GET", "k"))
}

func wrongMaster(s *stage) {
	s.group(3)
	s.tell(3, fmt.Sprintf("REPLICAOF %s 6379", s.g.host(2)))
	began := time.Now()
	s.await("3 follows 1 again", 60*time.Second, func() bool { return s.role(3) == "slave of h1 connected" })
	s.time("put right", time.Since(began), 11*time.Second)
}

func unseeded(s *stage) {
	s.serverConf(1)
	s.serverConf(2, fmt.Sprintf("replicaof %s 6379", s.g.host(1)))
	s.up(s.redis(1))
	s.up(s.redis(2))
	s.await("in sync", 5*time.Second, func() bool { return s.role(2) == "slave of h1 connected" })
	began := time.Now()
	for n := 1; n <= 3; n++ {
		s.sentinelConf(n, 0, s.redis(1), nil)
		s.up(s.sentinel(n))
	}
	s.await("all know all", 30*time.Second, func() bool {
		for n := 1; n <= 3; n++ {
			if s.entry(n, "num-other-sentinels") != "2" || s.entry(n, "num-slaves") != "1" {
				return false
			}
		}
		return true
	})
	s.time("complete", time.Since(began), 2500*time.Millisecond)
	s.see("in the files: %d %d", len(s.state(1).KnownSentinels), len(s.state(1).KnownReplicas))
}

func noMajority(s *stage) {
	s.group(3)
	s.end(s.sentinel(2), syscall.SIGKILL)
	s.end(s.sentinel(3), syscall.SIGKILL)
	s.end(s.redis(1), syscall.SIGKILL)
	time.Sleep(12 * time.Second)
	s.see("roles: %s %s, flags %s, named %s", strings.Fields(s.role(2))[0], strings.Fields(s.role(3))[0], s.entry(1, "flags"), s.named(1))
	s.up(s.sentinel(2))
	s.see("the one that lived on heard the master: %t, one that starts after its end: %t", s.heard(1, groupName), s.heard(2, groupName))
	s.await("one is promoted", 20*time.Second, func() bool { return s.role(2) == "master" || s.role(3) == "master" })
	s.await("both sentinels name one", 20*time.Second, func() bool { return s.named(1) == s.named(2) && s.named(1) != "h1:6379" })
}

// clonedIdentity: a third sentinel with the second one's id takes its place again
// and again.
func clonedIdentity(s *stage) {
	s.group(2)
	s.sentinelConf(3, 2, s.redis(1), []int{2})
	file := s.file(s.sentinel(3))
	file.Set("sentinel myid", myID(2))
	file.Remove("sentinel known-sentinel")
	s.write(s.sentinel(3), strings.TrimSpace(string(file.Bytes())))
	s.up(s.sentinel(3))
	seen := map[string]bool{}
	s.await("it is seen at both addresses", 30*time.Second, func() bool {
		v, err := s.send(s.sentinel(1), s.password, []string{"SENTINEL", "SENTINELS", groupName})
		if err == nil && len(v.list) == 1 {
			seen[s.who(fieldOf(v.list[0], "ip"))] = true
		}
		return len(seen) == 2
	})
	s.see("peers: %s", s.entry(1, "num-other-sentinels"))
}

// wrongPeerPassword: the second sentinel shows the first one a wrong password.
func wrongPeerPassword(s *stage) {
	s.serverConf(1)
	s.up(s.redis(1))
	s.sentinelConf(1, 2, s.redis(1), nil)
	s.sentinelConf(2, 2, s.redis(1), nil, "sentinel sentinel-pass wrong")
	s.up(s.sentinel(1))
	s.up(s.sentinel(2))
	s.see("at first: %s", s.ask(s.sentinel(2), "SENTINEL", "CKQUORUM", groupName))
	took := s.await("it is found out", 8*time.Second, func() bool {
		return strings.HasPrefix(s.ask(s.sentinel(2), "SENTINEL", "CKQUORUM", groupName), "NOQUORUM")
	})
	s.time("found out", took, time.Second)
	s.tellSentinel(2, "SENTINEL CKQUORUM main")
	v, err := s.send(s.sentinel(2), s.password, []string{"SENTINEL", "SENTINELS", groupName})
	if err != nil || len(v.list) != 1 {
		s.t.Fatal(v, err)
	}
	answered, waits := atoi(fieldOf(v.list[0], "last-ok-ping-reply")), atoi(fieldOf(v.list[0], "last-ping-sent"))
	s.see("the peer's flags: %s; it has never answered: %t", fieldOf(v.list[0], "flags"), answered <= waits+2)
	s.see("the other way: %s", s.ask(s.sentinel(1), "SENTINEL", "CKQUORUM", groupName))
	s.tellSentinel(2, "SENTINEL SET main auth-pass wrong")
	s.await("a wrong auth-pass takes the master for down", 8*time.Second, func() bool { return strings.Contains(s.entry(2, "flags"), "s_down") })
	s.see("1 does not: %s", s.entry(1, "flags"))
}

// twoFailovers: the second sentinel is asked while the first one's is under way.
func twoFailovers(s *stage) {
	s.prefer(2)
	s.group(3)
	s.see("1: %s", s.ask(s.sentinel(1), "SENTINEL", "FAILOVER", groupName))
	s.see("2: %s", s.ask(s.sentinel(2), "SENTINEL", "FAILOVER", groupName))
	s.await("both have promoted", 15*time.Second, func() bool { return s.role(2) == "master" })
	s.await("both failovers end", 15*time.Second, func() bool {
		return !strings.Contains(s.entry(1, "flags"), "failover") && !strings.Contains(s.entry(2, "flags"), "failover")
	})
	s.see("epochs: %s %s; named %s %s", s.entry(1, "config-epoch"), s.entry(2, "config-epoch"), s.named(1), s.named(2))
}

// newOffsets: where the last INFO of a replica is more than a second old, a sentinel that
// is asked for a failover reads it anew before it chooses. Of two replicas the one that
// it would take by what it knew gets no more from the master, and is not taken.
func newOffsets(s *stage) {
	s.downAfter = 30 * time.Second
	s.group(3)
	age := func(n int) int { return atoi(s.replicaEntry(1, s.redis(n), "info-refresh")) }
	s.await("what it knows is old", 20*time.Second, func() bool { return min(age(2), age(3)) > 1500 && max(age(2), age(3)) < 7000 })
	behind, ahead := 2, 3
	knows := func(n int) int { return atoi(s.replicaEntry(1, s.redis(n), "slave-repl-offset")) }
	id := func(n int) string { return s.replicaEntry(1, s.redis(n), "runid") }
	if knows(3) > knows(2) || knows(3) == knows(2) && id(3) < id(2) {
		behind, ahead = 3, 2
	}
	s.ask(s.redis(behind), "REPLICAOF", s.g.host(4), "6379") // where nobody is
	s.tell(1, "SET last written")
	s.await("one has it", 15*time.Second, func() bool { return s.ask(s.redis(ahead), "GET", "last") == "written" })
	s.end(s.redis(1), syscall.SIGKILL)
	s.see("asked: %s", s.ask(s.sentinel(1), "SENTINEL", "FAILOVER", groupName))
	s.await("the one that has it is promoted", 15*time.Second, func() bool { return s.role(ahead) == "master" })
	s.see("the other one: %t", s.role(behind) == "master")
}

// overtaken: the first sentinel's failover waits for a frozen replica to be
// reconfigured, and meanwhile the second one fails over again, back to where the
// first began.
func overtaken(s *stage) {
	s.downAfter, s.timeout = 30*time.Second, 60*time.Second
	s.prefer(2)
	s.group(3)
	s.signal(s.redis(3), syscall.SIGSTOP)
	s.see("1: %s", s.ask(s.sentinel(1), "SENTINEL", "FAILOVER", groupName))
	s.await("the other two name 2", 10*time.Second, func() bool { return s.named(2) == "h2:6379" && s.named(3) == "h2:6379" })
	s.see("1 still goes on: %t", strings.Contains(s.entry(1, "flags"), "failover_in_progress"))
	s.tell(1, fmt.Sprintf("REPLICAOF %s 6379", s.g.host(2)))
	s.await("1 is a replica that sentinel 2 knows as one", 20*time.Second, func() bool {
		return s.replicaEntry(2, s.redis(1), "master-link-status") == "ok" && s.replicaEntry(2, s.redis(1), "master-host") == s.g.host(2)
	})
	s.see("2: %s", s.ask(s.sentinel(2), "SENTINEL", "FAILOVER", groupName))
	s.await("1 is the master again", 10*time.Second, func() bool { return s.role(1) == "master" && s.named(2) == "h1:6379" && s.named(3) == "h1:6379" })
	s.await("the first sentinel has heard of it", 10*time.Second, func() bool { return s.entry(1, "config-epoch") == s.entry(2, "config-epoch") })
	s.see("1 names %s and goes on: %t", s.named(1), strings.Contains(s.entry(1, "flags"), "failover_in_progress"))
	s.signal(s.redis(3), syscall.SIGCONT)
	s.await("no failover is under way, and 1 has ended on 2", 90*time.Second, func() bool {
		return s.named(1) == "h2:6379" && !strings.Contains(s.entry(1, "flags"), "failover") && !strings.Contains(s.entry(2, "flags"), "failover")
	})
	time.Sleep(5 * time.Second)
	s.see("5 s later: %s %s %s, one epoch: %t, 1 is the %s", s.named(1), s.named(2), s.named(3), s.entry(1, "config-epoch") == s.entry(2, "config-epoch"), s.role(1))
	s.await("a replica that can be promoted", 30*time.Second, func() bool {
		return s.replicaEntry(3, s.redis(2), "master-link-status") == "ok" && s.replicaEntry(3, s.redis(2), "master-host") == s.g.host(1)
	})
	s.see("3: %s", s.ask(s.sentinel(3), "SENTINEL", "FAILOVER", groupName))
	s.await("all name one again", 20*time.Second, func() bool {
		return s.named(1) == s.named(2) && s.named(2) == s.named(3) && s.named(1) != "h1:6379"
	})
	s.see("named: %s", s.named(1))
}
