package fleettest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/fleet"
)

// settingFaults are single settings of a server, changed by hand.
func settingFaults() []fault {
	return []fault{
		{
			check: assess.CheckCredentials, what: "a wrong masterauth",
			do:    func(t *testing.T, g *group) { cli(t, g.Fleet, g.one, redisPort, "CONFIG SET masterauth wrong") },
			names: func(g *group) []string { return []string{"masterauth", node(g.one)} },
			may:   []string{assess.CheckDrift},
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, redisPort, "CONFIG SET masterauth "+g.Password())
				restartAgent(t, g.Fleet, g.one)
			},
		},
		{
			check: assess.CheckConfigRewrite, what: "a redis.conf that cannot be written",
			do:    blockRewrite,
			names: oneReplica,
			heal:  unblockRewrite,
		},
		{
			check: assess.CheckWritable, what: "too few replicas to write to",
			do: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.master, redisPort, "CONFIG SET min-replicas-to-write 3")
			},
			names: func(g *group) []string {
				return []string{node(g.master) + " refuses writes (NOREPLICAS): 2 replicas answered in time and min-replicas-to-write wants 3"}
			},
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.master, redisPort, "CONFIG SET min-replicas-to-write 0")
			},
		},
		{
			check: assess.CheckPersistence, what: "a snapshot that cannot be written",
			do: func(t *testing.T, g *group) {
				_ = os.Remove(snapshotFile(g)) // of the first sync
				if err := os.Mkdir(snapshotFile(g), 0o700); err != nil {
					t.Fatal(err)
				}
				cli(t, g.Fleet, g.one, redisPort, "BGSAVE")
			},
			names: func(g *group) []string { return []string{node(g.one) + " cannot write its snapshot"} },
			heal: func(t *testing.T, g *group) {
				if err := os.Remove(snapshotFile(g)); err != nil {
					t.Fatal(err)
				}
				cli(t, g.Fleet, g.one, redisPort, "BGSAVE")
			},
		},
		{
			check: assess.CheckRoles, what: "a replica of a replica",
			do: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.other, redisPort, "REPLICAOF "+g.Host(g.one)+" 6379")
			},
			names: func(g *group) []string { return []string{node(g.other) + " follows " + node(g.one)} },
			may:   []string{assess.CheckLinks},
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.other, redisPort, "REPLICAOF "+g.Host(g.master)+" 6379")
			},
		},
		{
			check: assess.CheckLinks, what: "a stopped link",
			do: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, redisPort, "CONFIG SET masterauth wrong", "CLIENT KILL TYPE master")
			},
			names: func(g *group) []string { return []string{node(g.one) + "'s link to " + node(g.master)} },
			may:   []string{assess.CheckCredentials, assess.CheckDrift},
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, redisPort, "CONFIG SET masterauth "+g.Password())
				restartAgent(t, g.Fleet, g.one)
			},
		},
		{
			check: assess.CheckOffsets, what: "a replica far behind",
			do:    flood,
			every: 100 * time.Millisecond,
			names: func(*group) []string { return []string{" MiB behind"} },
			heal:  func(*testing.T, *group) {},
		},
	}
}

// flood writes 20 MiB at once, again and again. It is seen when an agent's look
// falls between a burst and the replicas' next acknowledgment. Both come once a
// second and can keep step, so the bursts are dense: a look has to come about a
// tenth of a second after an acknowledgment. Replicas keep up with that rate.
func flood(t *testing.T, g *group) {
	cli(t, g.Fleet, g.master, redisPort,
		`EVAL "for i=1,20 do redis.call('SET',KEYS[1],string.rep('x',1048576)) end" 1 redfleet-test`)
}

// snapshotFile is the file of a replica's snapshot.
func snapshotFile(g *group) string {
	return filepath.Join(folder(g.Fleet, g.one, fleet.KindRedis), "dump.rdb")
}

// blockRewrite puts a folder where redis.conf was: not even root can write that.
func blockRewrite(t *testing.T, g *group) {
	conf := filepath.Join(folder(g.Fleet, g.one, fleet.KindRedis), "redis.conf")
	if err := os.Rename(conf, conf+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(conf, 0o700); err != nil {
		t.Fatal(err)
	}
}

func unblockRewrite(t *testing.T, g *group) {
	conf := filepath.Join(folder(g.Fleet, g.one, fleet.KindRedis), "redis.conf")
	if err := os.Remove(conf); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(conf+".aside", conf); err != nil {
		t.Fatal(err)
	}
}

// slowFaults are seen by looks that the agent takes more rarely.
func slowFaults() []fault {
	return []fault{
		{
			check: assess.CheckPeerAuth, what: "a server with another password",
			do: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, redisPort, "CONFIG SET requirepass another")
				restartAgent(t, g.Fleet, g.master) // a running agent tries its peers every 10 s
				restartAgent(t, g.Fleet, g.other)
			},
			names: func(g *group) []string {
				return []string{node(g.master) + " at " + node(g.one), node(g.other) + " at " + node(g.one)}
			},
			may: []string{assess.CheckCredentials, assess.CheckDrift, assess.CheckServices}, // agents were restarted
			heal: func(t *testing.T, g *group) {
				cliWith(t, g.Fleet, g.one, redisPort, "another", "CONFIG SET requirepass "+g.Password())
				restartAgent(t, g.Fleet, g.one)
			},
		},
		{
			check: assess.CheckReadOnly, what: "a replica that takes writes",
			do:    func(t *testing.T, g *group) { cli(t, g.Fleet, g.one, redisPort, "CONFIG SET replica-read-only no") },
			names: oneReplica,
			may:   []string{assess.CheckDrift},
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, redisPort, "CONFIG SET replica-read-only yes")
				restartAgent(t, g.Fleet, g.one)
			},
		},
		{
			check: assess.CheckDrift, what: "a directive of the spec changed by hand",
			do:    func(t *testing.T, g *group) { cli(t, g.Fleet, g.master, redisPort, "CONFIG SET maxmemory 32mb") },
			names: func(g *group) []string { return []string{node(g.master) + " differs in maxmemory"} },
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.master, redisPort, "CONFIG SET maxmemory 64mb")
				restartAgent(t, g.Fleet, g.master)
			},
		},
	}
}
