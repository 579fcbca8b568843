package templates

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/redistest"
)

// Rendered files make a group that works: started side by side, replicating with
// a password of every awkward character, its sentinels complete from the seed
// alone (S1), and after a failover and a restart nothing that the engine wrote
// is lost (promise sentinel-state-kept; S2, S3).
func TestRenderedFilesMakeAGroup(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3)
	g.start()
	t.Run("sentinels are complete at once", g.testComplete)
	t.Run("replicas follow with the password", g.testReplication)
	t.Run("a failover is kept over a new render", g.testFailoverIsKept)
}

func (g *group) testComplete(t *testing.T) {
	for _, n := range g.nodes {
		replicas, _ := n.sentinelProc.Do("SENTINEL", "REPLICAS", "shop").([]any)
		peers, _ := n.sentinelProc.Do("SENTINEL", "SENTINELS", "shop").([]any)
		if len(replicas) != 2 || len(peers) != 2 {
			t.Errorf("%s knows %d replicas and %d peers at its start, want 2 and 2", n.name, len(replicas), len(peers))
		}
		if id := n.sentinelProc.Do("SENTINEL", "MYID"); id != n.sentinel.ID {
			t.Errorf("%s has id %v, want the one that was chosen", n.name, id)
		}
	}
}

func (g *group) testReplication(t *testing.T) {
	g.nodes[0].redisProc.Do("SET", "k", "v")
	for _, n := range g.nodes[1:] {
		redistest.Until(t, n.name+" has what was written on the master", func() bool {
			v, err := n.redisProc.Client.Get(t.Context(), "k").Result()
			return err == nil && v == "v"
		})
	}
	for field, want := range map[string]string{"role": "master", "connected_slaves": "2", "maxmemory": "67108864", "aof_enabled": "1"} {
		if got := g.nodes[0].redisProc.Info(field); got != want {
			t.Errorf("INFO %s of the master is %q, want %q", field, got, want)
		}
	}
	for _, n := range g.nodes {
		redistest.Until(t, n.name+" reaches all by PING", func() bool {
			reply, err := n.sentinelProc.Client.Do(t.Context(), "SENTINEL", "CKQUORUM", "shop").Text()
			return err == nil && len(reply) > 2 && reply[:2] == "OK"
		})
	}
}

func (g *group) testFailoverIsKept(t *testing.T) {
	old := g.master().String()
	redistest.Until(t, "a failover is accepted", func() bool {
		return g.nodes[0].sentinelProc.Client.Do(t.Context(), "SENTINEL", "FAILOVER", "shop").Err() == nil
	})
	for _, n := range g.nodes {
		redistest.Until(t, n.name+" names another master", func() bool { return g.masterSeenBy(n) != old })
	}
	now := g.masterSeenBy(g.nodes[0])
	// As a planned switchover does (S13); Sentinel itself would take 8 s (S12).
	g.nodes[0].redisProc.Do("REPLICAOF", host(t, now), port(t, now))
	redistest.Until(t, "the old master follows", func() bool {
		return g.nodes[0].redisProc.Info("role") == "slave" && g.nodes[0].redisProc.Info("master_link_status") == "up"
	})
	for _, n := range g.nodes[1:] {
		redistest.Until(t, n.name+" is the master or follows it", func() bool {
			follows := net.JoinHostPort(n.redisProc.Info("master_host"), n.redisProc.Info("master_port"))
			return n.server.Addr.String() == now || follows == now
		})
	}
	for _, n := range g.nodes {
		g.redisFileIsKept(t, n, now)
		g.sentinelFileIsKept(t, n, now)
	}
}

// redisFileIsKept: a render of the first day's data changes nothing in a file
// that CONFIG REWRITE wrote, the role least of all.
func (g *group) redisFileIsKept(t *testing.T, n *node, master string) {
	t.Helper()
	n.redisProc.Do("CONFIG", "REWRITE")
	disk := parseFile(t, n.redisPath)
	merged, changed := merge(t, disk, g.renderRedis(n), g.goal(n, fleet.KindRedis))
	if len(changed) != 0 || string(merged.Bytes()) != string(disk.Bytes()) {
		t.Errorf("%s: a new render changes %v in redis.conf", n.name, changed)
	}
	role := ""
	for _, args := range merged.Get("replicaof") {
		role = fleet.Addr{Host: args[0], Port: atoi(t, args[1])}.String()
	}
	want := master
	if n.server.Addr.String() == master {
		want = ""
	}
	if role != want {
		t.Errorf("%s: redis.conf follows %q, want %q", n.name, role, want)
	}
}

// sentinelFileIsKept: what Sentinel wrote is read in full, outlives a new render
// with another quorum, and Sentinel starts from the merged file with all of it.
func (g *group) sentinelFileIsKept(t *testing.T, n *node, master string) {
	t.Helper()
	n.sentinelProc.Stop(syscall.SIGTERM)
	disk := parseFile(t, n.sentinelPath)
	before := g.sentinelState(t, n, disk, master)

	goal := g.goal(n, fleet.KindSentinel)
	if same, changed := merge(t, disk, g.renderSentinel(n), goal); len(changed) != 0 || string(same.Bytes()) != string(disk.Bytes()) {
		t.Errorf("%s: the same render again changes %v in sentinel.conf", n.name, changed)
	}
	goal.Monitor.Quorum, goal.Monitor.DownAfter = 3, seconds(7)
	text, err := g.set.Sentinel(NewSentinelData(goal, g.local(n, fleet.KindSentinel), n.name, g.master()))
	if err != nil {
		t.Fatal(err)
	}
	merged, changed := merge(t, disk, text, goal)
	want := []string{"sentinel monitor", "sentinel down-after-milliseconds", "sentinel master-reboot-down-after-period"}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("%s: changed: %s", n.name, diff)
	}
	for i := range before.Masters {
		before.Masters[i].Quorum = 3
	}
	if diff := cmp.Diff(before, state(t, merged)); diff != "" {
		t.Errorf("%s: the merge lost state: %s", n.name, diff)
	}
	redistest.Write(t, g.local(n, fleet.KindSentinel).Dir, "sentinel.conf", merged.Bytes())
	g.startSentinel(n)
	if got := g.masterSeenBy(n); got != master {
		t.Errorf("%s: after its restart the sentinel names %s, want %s", n.name, got, master)
	}
	if id := n.sentinelProc.Do("SENTINEL", "MYID"); id != n.sentinel.ID {
		t.Errorf("%s: after its restart the sentinel is %v", n.name, id)
	}
}

// sentinelState checks that all that Sentinel wrote is found.
func (g *group) sentinelState(t *testing.T, n *node, disk *redisconf.File, master string) redisconf.SentinelState {
	t.Helper()
	s := state(t, disk)
	m, ok := s.Master("shop")
	if !ok || m.Addr.String() != master || s.MyID != n.sentinel.ID || s.CurrentEpoch < 1 || m.ConfigEpoch < 1 ||
		len(m.KnownReplicas) != 2 || len(m.KnownSentinels) != 2 {
		t.Errorf("%s: the state in sentinel.conf is not whole: %+v", n.name, s)
	}
	return s
}

func state(t *testing.T, f *redisconf.File) redisconf.SentinelState {
	t.Helper()
	s, err := redisconf.ReadSentinelState(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// parseFile reads a file and checks that it would be written byte for byte.
func parseFile(t *testing.T, path string) *redisconf.File {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	f, err := redisconf.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(string(text), string(f.Bytes())); diff != "" {
		t.Error("not byte-exact:", diff)
	}
	return f
}

func merge(t *testing.T, disk *redisconf.File, rendered []byte, goal fleet.InstanceGoal) (*redisconf.File, []string) {
	t.Helper()
	f, err := redisconf.Parse(rendered)
	if err != nil {
		t.Fatal(err)
	}
	return redisconf.Merge(disk, f, MergeOwned(goal.Kind, goal.Config))
}

func host(t *testing.T, addr string) string {
	t.Helper()
	h, _, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func port(t *testing.T, addr string) string {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
