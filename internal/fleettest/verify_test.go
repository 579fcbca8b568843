package fleettest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// noticedIn bounds how long a fault may go unseen: the slowest look is the
// probe of the peers, every 10 s.
const noticedIn = 25 * time.Second

// group is a serving group of three that a case breaks.
type group struct {
	*Fleet
	master, one, other int // the nodes' numbers: the master and its two replicas
}

// fault breaks one thing on a serving group.
type fault struct {
	// check is the one that must fail; what says how the group is broken.
	check, what string
	do          func(t *testing.T, g *group)
	// names must stand in what the check has seen.
	names func(g *group) []string
	// may are the checks that can rightly fail with it; every other one holds.
	may []string
	// heal ends it, so that every check holds again; nil where that takes an
	// operator or the sentinels longer than a test should. Then it is the last of
	// its group.
	heal func(t *testing.T, g *group)
}

// TestVerifyNamesWhatIsBroken breaks on running groups, one by one and with
// redis-cli where a hand would use it, what each check of verify is there for.
func TestVerifyNamesWhatIsBroken(t *testing.T) {
	t.Parallel()
	lanes := map[string][]fault{
		"settings":  settingFaults(),
		"slow":      slowFaults(),
		"records":   recordFaults(),
		"sentinels": sentinelFaults(),
		"extra":     extraFaults(),
		"foreign":   foreignFaults(),
		"misled":    misledFaults(),
		"stopped":   stoppedFaults(),
	}
	covered := map[string]bool{}
	for name, faults := range lanes {
		for _, x := range faults {
			covered[x.check] = true
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t)
			for _, x := range faults {
				if !t.Run(x.check+"/"+x.what, func(t *testing.T) { breakIt(t, g, x) }) {
					return // what comes next would find the rest of this fault
				}
			}
		})
	}
	for _, name := range assess.CheckNames(fleet.Sentinel) {
		if !covered[name] {
			t.Errorf("no case breaks what check %q is there for", name)
		}
	}
}

func newGroup(t *testing.T) *group {
	t.Helper()
	f := bring(t, 3, func(s *fleet.GroupSpec) { s.Config = fleet.Directives{"maxmemory": {"64mb"}} })
	g := &group{Fleet: f}
	g.find(t)
	return g
}

// find looks who is master now.
func (g *group) find(t *testing.T) {
	t.Helper()
	g.master = index(t, g.WaitServing(failoverIn).Master.Node)
	g.one, g.other = g.master%3+1, (g.master+1)%3+1
}

// breakIt breaks a whole group, waits until the check says so, looks at all
// other checks meanwhile, and heals it where that can be done.
func breakIt(t *testing.T, g *group, x fault) {
	g.on(t)
	before := pids(t, g.Fleet, 3)
	x.do(t, g)
	allowed := append([]string{x.check}, x.may...)
	a := g.WaitFor(noticedIn, x.check+" failing", func(a fleet.Assessment) bool {
		others := slices.DeleteFunc(failed(a), func(name string) bool { return slices.Contains(allowed, name) })
		if len(others) > 0 {
			t.Fatalf("%s fails too, with no reason to:\n%s", others, failing(a))
		}
		return seen(a, x.check, x.names(g))
	})
	t.Logf("%s", failing(a))
	if x.heal == nil {
		return
	}
	x.heal(t, g)
	g.find(t)
	if now := pids(t, g.Fleet, 3); !maps.Equal(before, now) {
		t.Errorf("instances were restarted: %v, were %v", now, before)
	}
}

// on lets the fleet's helpers fail the test that is running.
func (g *group) on(t *testing.T) {
	outer := g.t
	g.t = t
	t.Cleanup(func() { g.t = outer })
}

func failed(a fleet.Assessment) []string {
	var names []string
	for _, c := range a.Checks {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	return names
}

// seen: the check fails and what it has seen names all culprits.
func seen(a fleet.Assessment, check string, names []string) bool {
	i := slices.IndexFunc(a.Checks, func(c fleet.Check) bool { return c.Name == check })
	if i < 0 || a.Checks[i].OK {
		return false
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !strings.Contains(a.Checks[i].Seen, n) })
}

func node(i int) string { return fmt.Sprintf("n%d", i) }

func oneReplica(g *group) []string { return []string{node(g.one)} }

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
			do:    floodUntilSeen,
			names: func(g *group) []string { return []string{" is 32 MiB behind"} },
			heal:  func(*testing.T, *group) {},
		},
	}
}

// floodUntilSeen writes 24 MiB at once, again and again, until the agent's look
// falls between a burst and the replicas' next acknowledgment, once a second.
func floodUntilSeen(t *testing.T, g *group) {
	const burst = `EVAL "for i=1,24 do redis.call('SET',KEYS[1],string.rep('x',1048576)) end" 1 redfleet-test`
	deadline := time.Now().Add(noticedIn)
	for time.Now().Before(deadline) {
		cli(t, g.Fleet, g.master, redisPort, burst)
		for range 20 {
			a, err := g.Assessment(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if seen(a, assess.CheckOffsets, nil) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
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
			do:    func(t *testing.T, g *group) { cli(t, g.Fleet, g.one, redisPort, "CONFIG SET requirepass another") },
			names: func(g *group) []string {
				return []string{node(g.master) + " at " + node(g.one), node(g.other) + " at " + node(g.one)}
			},
			may: []string{assess.CheckCredentials, assess.CheckDrift},
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

// recordFaults are wrong in Consul alone.
func recordFaults() []fault {
	return []fault{
		{
			check: assess.CheckServices, what: "an entry that is no instance of the group",
			do: func(t *testing.T, g *group) {
				err := g.Client.Register(t.Context(), consul.Service{ID: "stranger", Name: "test-main",
					Tags: []string{"master"}, Addr: fleet.Addr{Host: g.Host(90), Port: redisPort}})
				if err != nil {
					t.Fatal(err)
				}
			},
			names: func(g *group) []string { return []string{"stranger", g.Host(90)} },
			heal: func(t *testing.T, g *group) {
				if err := g.Client.Deregister(t.Context(), "stranger"); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			check: assess.CheckWritePath, what: "a group that was never proved",
			do:    func(t *testing.T, g *group) { editGroup(t, g, func(r *fleet.Group) { r.WriteProved = false }) },
			names: func(*group) []string { return []string{"never proved"} },
			heal:  func(t *testing.T, g *group) { editGroup(t, g, func(r *fleet.Group) { r.WriteProved = true }) },
		},
		{
			check: assess.CheckReports, what: "an agent that is gone",
			do: func(t *testing.T, g *group) {
				stopAgent(t, g.Fleet, g.one)
				e, _, err := g.Client.Get(t.Context(), g.Keys.Report(node(g.one)))
				if err == nil { // instead of waiting for its end
					err = g.Client.DestroySession(t.Context(), e.Session)
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			names: func(g *group) []string { return []string{node(g.one) + ": its agent is gone"} },
			may:   []string{assess.CheckServices}, // its role checks are answered by nobody
			heal:  func(t *testing.T, g *group) { g.StartAgent(g.one, nil) },
		},
	}
}

// editGroup changes the group's record in Consul by hand.
func editGroup(t *testing.T, g *group, edit func(*fleet.Group)) {
	t.Helper()
	e, _, err := g.Client.Get(t.Context(), g.Keys.Group("main"))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := records.Decode[fleet.Group](e.Key, e.Value)
	if err != nil {
		t.Fatal(err)
	}
	edit(&rec)
	b, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Client.Txn(t.Context(), consul.CAS(e.Key, b, e.Index)); err != nil {
		t.Fatal(err)
	}
}

// sentinelFaults are single settings of a sentinel.
func sentinelFaults() []fault {
	return []fault{
		{
			check: assess.CheckQuorum, what: "a sentinel with another quorum",
			do:    func(t *testing.T, g *group) { cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL SET main quorum 3") },
			names: func(g *group) []string { return []string{node(g.one) + " has quorum 3"} },
			heal:  func(t *testing.T, g *group) { cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL SET main quorum 2") },
		},
		{
			check: assess.CheckSentinelMaster, what: "a sentinel that watches a second master",
			do: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL MONITOR second "+g.Host(90)+" 6379 2")
			},
			names: func(g *group) []string { return []string{node(g.one), "second"} },
			heal:  func(t *testing.T, g *group) { cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL REMOVE second") },
		},
		{
			check: assess.CheckPromotable, what: "replicas that may not be promoted",
			do:    func(t *testing.T, g *group) { priorities(t, g, 0) },
			names: func(*group) []string { return []string{"none on n1, n2 and n3"} },
			may:   []string{assess.CheckDrift},
			heal:  func(t *testing.T, g *group) { priorities(t, g, 100) },
		},
		{
			check: assess.CheckSentinelReach, what: "a sentinel that shows its peers a wrong password",
			do: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL CONFIG SET sentinel-pass wrong")
			},
			names: func(g *group) []string {
				return []string{node(g.one) + " does not reach " + node(g.master), node(g.one) + " does not reach " + node(g.other)}
			},
			may: []string{assess.CheckQuorum}, // it cannot count votes that it does not hear
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL CONFIG SET sentinel-pass "+g.Password())
			},
		},
	}
}

// priorities sets replica-priority on both replicas, and lets the sentinels ask
// for it every second instead of every ten.
func priorities(t *testing.T, g *group, priority int) {
	for i := 1; i <= 3; i++ {
		cli(t, g.Fleet, i, sentinelPort, "SENTINEL DEBUG info-period 500")
	}
	for _, i := range []int{g.one, g.other} {
		cli(t, g.Fleet, i, redisPort, fmt.Sprintf("CONFIG SET replica-priority %d", priority))
	}
}

// extraFaults add an instance that the group does not have.
func extraFaults() []fault {
	return []fault{
		{
			check: assess.CheckSentinelPeers, what: "an extra sentinel",
			do: func(t *testing.T, g *group) {
				foreign(t, g.Fleet, 91, sentinelPort, fmt.Sprintf("sentinel monitor main %s 6379 2\nsentinel auth-pass main %s\n"+
					"sentinel sentinel-pass %s\nsentinel announce-ip %s\n", g.Host(g.master), g.Password(), g.Password(), g.Net+"91"), "--sentinel")
			},
			names: func(g *group) []string { return []string{"knows a foreign one, " + g.Net + "91:26379"} },
		},
	}
}

// foreignFaults bring in a server that the group does not have.
func foreignFaults() []fault {
	return []fault{
		{
			check: assess.CheckSentinelReplicas, what: "a foreign replica",
			do: func(t *testing.T, g *group) {
				for i := 1; i <= 3; i++ {
					cli(t, g.Fleet, i, sentinelPort, "SENTINEL DEBUG info-period 500")
				}
				foreign(t, g.Fleet, 92, redisPort, fmt.Sprintf("masterauth %s\nreplicaof %s 6379\n", g.Password(), g.Host(g.master)))
			},
			names: func(g *group) []string { return []string{"foreign server, " + g.Net + "92:6379"} },
		},
	}
}

// misledFaults let an instance of the group follow somebody else.
func misledFaults() []fault {
	return []fault{
		{
			check: assess.CheckLineage, what: "a foreign master",
			do: func(t *testing.T, g *group) {
				m := foreign(t, g.Fleet, 93, redisPort, "")
				cli(t, g.Fleet, g.one, redisPort, fmt.Sprintf("REPLICAOF %s %d", m.Host, m.Port))
			},
			names: oneReplica,
			// Its role names the foreign master; its link is down while it copies.
			may: []string{assess.CheckRoles, assess.CheckLinks},
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, redisPort, "REPLICAOF "+g.Host(g.master)+" 6379")
			},
		},
		{
			check: assess.CheckSentinelMaster, what: "a sentinel with another master",
			do: func(t *testing.T, g *group) {
				m := foreign(t, g.Fleet, 94, redisPort, "")
				cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL REMOVE main",
					fmt.Sprintf("SENTINEL MONITOR main %s %d 2", m.Host, m.Port), "SENTINEL SET main auth-pass "+g.Password())
			},
			names: func(g *group) []string { return []string{node(g.one) + " names " + g.Net + "94:6379"} },
			// It starts over: with nobody known it reaches no quorum.
			may: []string{assess.CheckSentinelPeers, assess.CheckSentinelReplicas, assess.CheckSentinelReach,
				assess.CheckQuorum, assess.CheckPromotable},
		},
	}
}

// stoppedFaults stop processes. A stopped sentinel comes back in TILT, for 30 s.
func stoppedFaults() []fault {
	stop := func(t *testing.T, g *group, i int, kind fleet.Kind) {
		signal(t, g.Fleet, i, kind, syscall.SIGSTOP)
	}
	return []fault{
		{
			check: assess.CheckInstances, what: "a replica that hangs",
			do:    func(t *testing.T, g *group) { stop(t, g, g.one, fleet.KindRedis) },
			names: func(g *group) []string { return []string{"redis-main-6379 on " + node(g.one)} },
			// Peers that try it get no answer; Consul's check needs three misses.
			may:  []string{assess.CheckPeerAuth, assess.CheckServices},
			heal: func(t *testing.T, g *group) { signal(t, g.Fleet, g.one, fleet.KindRedis, syscall.SIGCONT) },
		},
		{
			check: assess.CheckMajority, what: "two of three sentinels hang",
			do: func(t *testing.T, g *group) {
				stop(t, g, g.one, fleet.KindSentinel)
				stop(t, g, g.other, fleet.KindSentinel)
			},
			names: func(*group) []string { return []string{"1 of 3 reachable"} },
			may: []string{assess.CheckInstances, assess.CheckSentinelReach, assess.CheckQuorum, assess.CheckPromotable,
				assess.CheckServices},
		},
	}
}

// TestVerifyHolds: a group in full order shows every check to hold, time and
// again.
func TestVerifyHolds(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, nil)
	for until := time.Now().Add(1500 * time.Millisecond); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		a, err := f.Assessment(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if bad := failing(a); bad != "" || a.State != fleet.GroupServing {
			t.Fatalf("%s: %s\n%s", a.State, a.Reason, bad)
		}
	}
}
