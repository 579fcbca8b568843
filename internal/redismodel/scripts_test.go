package redismodel

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

func scripts() []script {
	return []script{
		{"kill the master", "one replica is promoted, and the files say so", killMaster},
		{"replies of a master", "auth, refusals, CONFIG, ACL", masterReplies},
		{"replies of a replica", "S9, READONLY, the link's state", replicaReplies},
		{"histories", "replication ids and offsets through restarts and promotions", histories},
		{"replies of a sentinel", "S3, S5, S7, S21, hello", sentinelReplies},
		{"a file that cannot be rewritten", "S15", unwritableFile},
		{"a master without its data", "D1", masterWithoutData},
		{"two masters after an early restart", "S20", earlyRestart},
		{"a frozen master", "a failover while it sleeps, and what it says when it wakes", frozenMaster},
		{"refusing to end", "D2", refusesToEnd},
		{"data files", "D1, D3: what is on disk, and what a start makes of it", dataFiles},
	}
}

// longScripts take more than a few seconds of real time.
func longScripts() []script {
	return []script{
		{"no good replica", "S6: priority 0, and CKQUORUM is content", noGoodReplica},
		{"failover without a vote", "S18", failoverWithoutVote},
		{"an empty replica is promoted", "S19", emptyReplica},
		{"a frozen sentinel", "S16: TILT", frozenSentinel},
		{"a master that loads", "S8: master-reboot-down-after-period", loadingMaster},
		{"a wrong password between sentinels", "S21: CKQUORUM is content until down-after", wrongPeerPassword},
		{"two failovers at once", "S18: asked of two sentinels", twoFailovers},
		{"a failover that chooses by new offsets", "S18: what a failover on evidence rests on", newOffsets},
		{"too few replicas", "min-replicas-to-write", tooFewReplicas},
		{"the old master is demoted", "S12: about 8 s after it is back", demoted},
		{"a foreign master is wiped", "S14", foreignMaster},
		{"a replica of the wrong master", "S12: put right after failover-timeout", wrongMaster},
		{"sentinels without a seed", "S1: peers by hello, replicas by INFO", unseeded},
		{"no majority", "no failover with one sentinel of three", noMajority},
		{"one identity twice", "S4", clonedIdentity},
		{"a failover that is overtaken", "S22: its sentinel ends on the wrong address, until the next one", overtaken},
	}
}

// prefer gives a server the better priority.
func (s *stage) prefer(n int) { s.preferred = n }

// group brings up servers 1 to n with 1 as the master and as many sentinels,
// seeded with everything, and waits until all is well.
func (s *stage) group(n int, extra ...string) {
	s.t.Helper()
	var replicas []int
	for i := 1; i <= n; i++ {
		lines := slices.Clone(extra)
		if i == s.preferred {
			lines = append(lines, "replica-priority 10")
		}
		if i > 1 {
			lines = append([]string{fmt.Sprintf("replicaof %s 6379", s.g.host(1))}, lines...)
			replicas = append(replicas, i)
		}
		s.serverConf(i, lines...)
		s.up(s.redis(i))
	}
	for i := 1; i <= n; i++ {
		s.sentinelConf(i, n, s.redis(1), replicas)
		s.up(s.sentinel(i))
	}
	s.settled(1, n)
}

// settled: the master and all links are up, and every sentinel has read the INFO
// of each replica and can use all others.
func (s *stage) settled(master, n int) {
	s.t.Helper()
	s.await("all replicas in sync", 10*time.Second, func() bool {
		for i := 1; i <= n; i++ {
			if i != master && s.role(i) != fmt.Sprintf("slave of h%d connected", master) {
				return false
			}
		}
		return s.role(master) == "master"
	})
	s.await("the sentinels see all of it", 25*time.Second, func() bool {
		for i := 1; i <= n; i++ {
			if s.entry(i, "flags") != "master" || s.named(i) != fmt.Sprintf("h%d:6379", master) {
				return false
			}
			for r := 1; r <= n; r++ {
				if r != master && s.replicaEntry(i, s.redis(r), "master-link-status") != "ok" {
					return false
				}
			}
			if !strings.HasPrefix(s.ask(s.sentinel(i), "SENTINEL", "CKQUORUM", groupName), fmt.Sprintf("OK %d usable", n)) {
				return false
			}
		}
		return true
	})
}

func killMaster(s *stage) {
	s.crash()
	s.up(s.redis(1))
	s.see("1 is back as %s with k=%s", s.role(1), s.ask(s.redis(1), "GET", "k"))
}

// crash brings up a group, kills its master and waits until 2 has taken over.
func (s *stage) crash() {
	s.prefer(2)
	s.group(3, "appendonly yes")
	s.see("set: %s", s.ask(s.redis(1), "SET", "k", "v"))
	s.await("k is on both replicas", 5*time.Second, func() bool {
		return s.ask(s.redis(2), "GET", "k") == "v" && s.ask(s.redis(3), "GET", "k") == "v"
	})
	s.end(s.redis(1), syscall.SIGKILL)
	s.promoted(2, 3)
	s.await("3 follows", 15*time.Second, func() bool { return s.role(3) == "slave of h2 connected" })
	s.see("k on 2 and 3: %s %s", s.ask(s.redis(2), "GET", "k"), s.ask(s.redis(3), "GET", "k"))
	for n := 1; n <= 3; n++ {
		m := s.state(n)
		s.see("sentinel %d's file: master %s, config epoch is voted epoch: %t, replicas %d, sentinels %d", n, s.name(m.Addr),
			m.ConfigEpoch == m.LeaderEpoch, len(m.KnownReplicas), len(m.KnownSentinels))
	}
	s.see("replicaof in 2's file: %q", s.file(s.redis(2)).Get("replicaof"))
	s.see("replicaof in 3's file: %q", s.file(s.redis(3)).Get("replicaof"))
}

// demoted: Sentinel makes a master that came back a replica, after some 8 s.
func demoted(s *stage) {
	s.crash()
	s.up(s.redis(1))
	took := s.await("1 is made a replica", 30*time.Second, func() bool { return s.role(1) == "slave of h2 connected" })
	s.time("demotion", took, 3*time.Second)
	s.see("replicaof in 1's file: %q", s.file(s.redis(1)).Get("replicaof"))
	s.see("a write there: %s", s.ask(s.redis(1), "SET", "k", "x"))
}
