package fleettest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/fleet"
)

// noticedIn bounds how long a fault may go unseen: the slowest look is the
// probe of the peers, every 10 s.
const noticedIn = 25 * time.Second

// lanePeers is the lane of faults between sentinels.
const lanePeers = "records and sentinels"

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
	// every: do is done again so often until it is seen; 0 for once.
	every time.Duration
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
		"settings":             append(settingFaults(), foreignFaults()...),
		lanePeers:              slices.Concat(recordFaults(), sentinelFaults(), extraFaults()),
		"rare looks and stops": append(slowFaults(), stoppedFaults()...),
		"misled":               misledFaults(),
		"stuck":                stuckFaults(),
	}
	covered := map[string]bool{}
	for name, faults := range lanes {
		for _, x := range faults {
			covered[x.check] = true
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t, name)
			t.Run("whole", func(t *testing.T) { staysWhole(t, g) })
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

// newGroup brings up a group whose sentinels are patient, so that no failover
// comes in between; only the lane where they are to miss each other is quicker.
// Nothing goes to disk: a case that writes much must not hold up the others.
func newGroup(t *testing.T, lane string) *group {
	t.Helper()
	f := bring(t, 3, func(s *fleet.GroupSpec) {
		s.Config = fleet.Directives{"maxmemory": {"64mb"}, "appendonly": {"no"}, "save": {""}}
		s.Sentinel.DownAfter = fleet.Duration(15 * time.Second)
		if lane == lanePeers {
			s.Sentinel.DownAfter = fleet.Duration(5 * time.Second)
		}
	})
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

// staysWhole: a group in full order shows every check to hold, time and again.
func staysWhole(t *testing.T, g *group) {
	for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		a, err := g.Assessment(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if bad := failing(a); bad != "" || a.State != fleet.GroupServing {
			t.Fatalf("%s: %s\n%s", a.State, a.Reason, bad)
		}
	}
}

// lateLook is how long a check may fail without a reason: what an agent asks others has a
// limit of half a second to a second, which a busy machine can exceed, and its next look
// comes a second later. What a fault does to another check lasts as long as the fault.
const lateLook = 5 * time.Second

// breakIt breaks a whole group, waits until the check says so, looks at all
// other checks meanwhile, and heals it where that can be done.
func breakIt(t *testing.T, g *group, x fault) {
	g.on(t)
	before := pids(t, g.Fleet, 3)
	x.do(t, g)
	did := time.Now()
	allowed := append([]string{x.check}, x.may...)
	var strange time.Time
	a := g.WaitFor(noticedIn, x.check+" failing", func(a fleet.Assessment) bool {
		others := slices.DeleteFunc(failed(a), func(name string) bool { return slices.Contains(allowed, name) })
		switch {
		case len(others) == 0:
			strange = time.Time{}
		case strange.IsZero():
			strange = time.Now()
		case time.Since(strange) > lateLook:
			t.Fatalf("%s fails too, with no reason to:\n%s", others, failing(a))
		}
		if x.every > 0 && time.Since(did) >= x.every {
			x.do(t, g)
			did = time.Now()
		}
		return len(others) == 0 && seen(a, x.check, x.names(g))
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
