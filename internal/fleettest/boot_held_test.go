package fleettest

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/boot"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestBootOnAMinority: a node that comes back alone never starts as a master,
// whatever its files say, and starts at once when a second sentinel is there.
func TestBootOnAMinority(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 30*time.Second) // the first sentinel is young for long
	before := read(t, confFile(f, master))
	_, err := fenceOn(t, f, master, 0)
	heldBy(t, err, "no-majority")
	startUnit(t, f, master, sentinelID)
	_, err = fenceOn(t, f, master, 500*time.Millisecond)
	heldBy(t, err, "no-majority")
	if now := read(t, confFile(f, master)); now != before {
		t.Errorf("a fence that held the server changed its file to:\n%s", redacted(now))
	}
	startUnit(t, f, master%3+1, sentinelID)
	start, err := fenceOn(t, f, master, servingIn)
	startsAs(t, start, err, fleet.Addr{}, "young-sentinels")
}

// TestBootThatStoodStill: a fence that stood still after the answers by which a server
// starts as the master asks again before it lets it (hazard S20).
func TestBootThatStoodStill(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 30*time.Second)
	startUnit(t, f, master, sentinelID)
	startUnit(t, f, master%3+1, sentinelID)
	still, noted, most, rules := true, 0, 1, []string{}
	start, err := boot.Fence(t.Context(), boot.Options{
		Config: f.AgentConfig(master), Instance: redisID, Wait: servingIn,
		Tell: func(h boot.Held) {
			if rules = append(rules, h.Rule); noted > 0 && h.Rule != "stale-answers" {
				most++ // on a busy machine a sentinel can be too late for an answer: the next start is another one
			}
		},
		Hook: func(_ context.Context, l effect.Label, at effect.Point) error {
			if l == apply.LabelRemember && at == effect.After {
				noted++
			}
			if still && noted == 1 {
				still = false
				time.Sleep(2100 * time.Millisecond) // as a process that is stopped; the bound is 2 s
			}
			return nil
		},
	})
	startsAs(t, start, err, fleet.Addr{}, "young-sentinels")
	if still || !slices.Contains(rules, "stale-answers") || noted < 1 || noted > most {
		t.Errorf("stood still: %v; held by %q; the start was noted %d times, want %d: each time takes a slow disk as long again", !still, rules, noted, most)
	}
}

// TestBootOfAReplicaAlone: a replica harms nobody and starts as what it was, so
// that reads go on and a later failover finds it.
func TestBootOfAReplicaAlone(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 5*time.Second)
	start, err := fenceOn(t, f, master%3+1, 0)
	startsAs(t, start, err, addrOf(f, master), "as-it-was")
}

// TestBootOfAStaleMaster: the others failed over while it was off; it comes back
// with a file that says master, and follows.
func TestBootOfAStaleMaster(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 2*time.Second) // so short that young sentinels vouch for nobody
	for _, i := range others(master) {
		withoutFailover(t, f, i)
		startUnit(t, f, i, sentinelID)
		start, err := fenceOn(t, f, i, 10*time.Second)
		startsAs(t, start, err, addrOf(f, master), start.Rule)
		startUnit(t, f, i, redisID)
	}
	for _, i := range others(master) {
		eventually(t, servingIn, "the others are there, and their sentinels could promote one", func() bool {
			view, err := f.Sentinel(i).Observe(t.Context(), "main", false)
			return err == nil && f.Redis(i).Ping(t.Context()) == nil &&
				slices.ContainsFunc(view.Report.Replicas, func(r fleet.SeenInstance) bool { return r.Promotable })
		})
	}
	heldSoon(t, f, master, "await-failover")
	withFailover(t, f, others(master)...)
	start, err := fenceOn(t, f, master, failoverIn)
	now := newMaster(t, f, master, start.Follow)
	startsAs(t, start, err, addrOf(f, now), "follow")
	startUnit(t, f, master, redisID)
	for i := 1; i <= 3; i++ {
		if i != now {
			whole(t, f, now, i)
		}
	}
}

// withoutFailover has the sentinel of node n<i>, which is down, ask for more votes than
// there are, until withFailover: however slow the machine is, no failover comes before
// the fence was seen to wait for it.
func withoutFailover(t *testing.T, f *Fleet, i int) {
	t.Helper()
	path := filepath.Join(folder(f, i, fleet.KindSentinel), "sentinel.conf")
	before := read(t, path)
	after := regexp.MustCompile(`(?m)^(sentinel monitor main \S+ 6379) 2$`).ReplaceAllString(before, "$1 9")
	if after == before {
		t.Fatalf("no line to be changed in:\n%s", redacted(before))
	}
	if err := os.WriteFile(path, []byte(after), 0o600); err != nil {
		t.Fatal(err)
	}
}

func withFailover(t *testing.T, f *Fleet, nodes ...int) {
	t.Helper()
	for _, i := range nodes {
		if said := cli(t, f, i, sentinelPort, "SENTINEL SET main quorum 2"); strings.TrimSpace(said) != "OK\nOK" {
			t.Fatalf("the quorum of n%d: %s", i, said)
		}
	}
}

// newMaster is the node of an address, which must not be the old master's.
func newMaster(t *testing.T, f *Fleet, old int, addr fleet.Addr) int {
	t.Helper()
	for _, i := range others(old) {
		if addrOf(f, i) == addr {
			return i
		}
	}
	t.Fatalf("%v is none of the others' servers", addr)
	return 0
}

// TestBootWithoutItsData: a master whose data files are gone is held while others
// have the data, and comes back as a replica that cannot be promoted before it has caught up (no-empty-master, S19).
func TestBootWithoutItsData(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 5*time.Second)
	for _, name := range []string{"appendonlydir", "dump.rdb"} {
		if err := os.RemoveAll(filepath.Join(folder(f, master, fleet.KindRedis), name)); err != nil {
			t.Fatal(err)
		}
	}
	// The agent's memory is lost too, so that only the others' answers tell.
	if err := os.WriteFile(memoryFile(f, master), []byte(`{"started": true, "served": true, "replid": "1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		withoutFailover(t, f, i)
	}
	startUnit(t, f, master, sentinelID)
	for _, i := range others(master) {
		startUnit(t, f, i, sentinelID)
		start, err := fenceOn(t, f, i, 10*time.Second)
		startsAs(t, start, err, addrOf(f, master), start.Rule)
		startUnit(t, f, i, redisID)
	}
	for _, i := range others(master) {
		eventually(t, servingIn, "a replica shows the data", func() bool {
			info, err := f.Redis(i).Observe(t.Context())
			return err == nil && info.Keys > 0
		})
	}
	heldSoon(t, f, master, "no-empty-master")
	withFailover(t, f, 1, 2, 3)
	start, err := fenceOn(t, f, master, failoverIn)
	now := newMaster(t, f, master, start.Follow)
	startsAs(t, start, err, addrOf(f, now), "follow")
	if conf := read(t, confFile(f, master)); !strings.Contains(conf, "\nreplica-priority 0\n") {
		t.Errorf("an empty replica of a group with data could be promoted (S19):\n%s", redacted(conf))
	}
	startUnit(t, f, master, redisID)
	whole(t, f, now, master)
}

// TestBootWaitsOverSeveralRuns: systemd runs the fence again and again; how long
// the server is down is counted over all runs, not from each run's own start.
func TestBootWaitsOverSeveralRuns(t *testing.T) {
	t.Parallel()
	const downAfter = 2 * time.Second
	f, master := dark(t, downAfter)
	for _, i := range others(master) {
		startUnit(t, f, i, sentinelID)
		if _, err := fenceOn(t, f, i, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		startUnit(t, f, i, redisID, "--replica-priority", "0") // no sentinel can promote it
	}
	began := time.Now()
	eventually(t, servingIn, "sentinels know that nobody can be promoted", func() bool {
		_, err := fenceOn(t, f, master, 0)
		return err != nil && strings.Contains(err.Error(), "await-verdict")
	})
	for {
		start, err := fenceOn(t, f, master, 0)
		if err == nil {
			startsAs(t, start, err, fleet.Addr{}, "no-replica")
			break
		}
		if time.Since(began) > failoverIn {
			t.Fatalf("still held after %v: %v", time.Since(began), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if took := time.Since(began); took < downAfter+3*time.Second-500*time.Millisecond {
		t.Errorf("it started as the master after %v, before a sentinel can have been sure", took)
	}
	heldSoon(t, f, master, "await-verdict") // else the count goes on after a start
}

// TestBootAsksEachPeerOnce: where the peers answer it is one round, with one
// connection to each (its time is logged, and is a busy machine's affair), and
// with peers that are silent the wait has its end.
func TestBootAsksEachPeerOnce(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 30*time.Second)
	for i := 1; i <= 3; i++ {
		startUnit(t, f, i, sentinelID)
	}
	for _, i := range others(master) {
		startUnit(t, f, i, redisID)
	}
	whatAnswers := func() (n int) {
		for _, i := range others(master) {
			n += connections(t, f, i, redisPort) + connections(t, f, i, sentinelPort)
		}
		return n
	}
	for _, i := range others(master) {
		eventually(t, servingIn, "the replicas answer", func() bool { return f.Redis(i).Ping(t.Context()) == nil })
	}
	// Sentinels connect to each other and to the servers now and then too, which
	// can only add to a count; whatAnswers itself adds one connection to each.
	const own = 4
	eventually(t, servingIn, "a fence makes one connection to each of the others' 2 servers and 2 sentinels", func() bool {
		before := whatAnswers()
		began := time.Now()
		start, err := fenceOn(t, f, master, 20*time.Second)
		took := time.Since(began)
		startsAs(t, start, err, fleet.Addr{}, "young-sentinels")
		asked := whatAnswers() - before - own
		t.Logf("fence_s=%.3f connections=%d", took.Seconds(), asked)
		if asked < 4 {
			t.Fatalf("the fence made %d connections, want 4", asked)
		}
		return asked == 4
	})
	for _, i := range others(master) {
		signal(t, f, i, fleet.KindSentinel, syscall.SIGSTOP)
		signal(t, f, i, fleet.KindRedis, syscall.SIGSTOP)
	}
	const wait = 2 * time.Second
	began := time.Now()
	_, err := fenceOn(t, f, master, wait)
	heldBy(t, err, "no-majority")
	if took := time.Since(began); took > 5*wait {
		t.Errorf("with silent peers the fence took %v, its wait was %v", took, wait)
	}
}

// connections is how many a server or sentinel of node n<i> has ever taken.
func connections(t *testing.T, f *Fleet, i, port int) int {
	t.Helper()
	for line := range strings.Lines(cli(t, f, i, port, "INFO stats")) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "total_connections_received:"); ok {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("INFO of n%d:%d counts no connections", i, port)
	return 0
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// redacted leaves the passwords out of a file that a failure shows.
func redacted(conf string) string {
	var b strings.Builder
	for line := range strings.Lines(conf) {
		if strings.Contains(line, "pass") || strings.Contains(line, "auth") || strings.HasPrefix(line, "user ") {
			line = redact(line) + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}
