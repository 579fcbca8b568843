package templates

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redistest"
)

// password has what a naive template would break on, and Sentinel does not.
const password = `#pa\ss{{.}}%swörd$1`

// node is one machine of a real group on loopback addresses.
type node struct {
	name, host              string
	dir                     string // its instances' folders are below
	server, sentinel        fleet.Member
	redisPath, sentinelPath string
	redisProc, sentinelProc *redistest.Proc
}

// group is a real master with replicas and sentinels, from rendered files.
type group struct {
	t     *testing.T
	set   *Set
	nodes []*node
}

func newGroup(t *testing.T, size int) *group {
	t.Helper()
	set, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	g := &group{t: t, set: set}
	for i := range size {
		host := fmt.Sprintf("127.0.0.%d", 101+i)
		name := fmt.Sprintf("n%d", i+1)
		id := strings.Repeat(strconv.Itoa(i+1), 40)
		g.nodes = append(g.nodes, &node{
			name: name, host: host, dir: t.TempDir(),
			server:   fleet.Member{Node: name, Addr: fleet.Addr{Host: host, Port: redistest.FreePort(t, host)}},
			sentinel: fleet.Member{Node: name, Addr: fleet.Addr{Host: host, Port: redistest.FreePort(t, host)}, ID: id},
		})
	}
	return g
}

func (g *group) master() fleet.Addr { return g.nodes[0].server.Addr }

// goal is what the coordinator would ask of a node; seed while forming.
func (g *group) goal(n *node, kind fleet.Kind) fleet.InstanceGoal {
	goal := fleet.InstanceGoal{
		Group: "shop", GroupID: "8d0f", Kind: kind, Topology: fleet.Sentinel, Engine: fleet.EngineRedis,
		Addr: n.server.Addr,
		Monitor: &fleet.Monitor{
			// Nothing here waits for it, and a master that stands still for a second on a busy
			// machine is to stay the master.
			MasterName: "shop", Quorum: 2, DownAfter: seconds(30), FailoverTimeout: seconds(180), ParallelSyncs: 1,
			Announce: fleet.AnnounceAddress,
		},
		Config: fleet.Directives{"maxmemory": {"64mb"}, "save": {"3600 1 300 100"}},
		Seed:   &fleet.Seed{Master: g.master()},
	}
	if kind == fleet.KindSentinel {
		goal.Addr = n.sentinel.Addr
	}
	for _, m := range g.nodes {
		goal.Servers = append(goal.Servers, m.server)
		goal.Sentinels = append(goal.Sentinels, m.sentinel)
	}
	return goal
}

func (g *group) local(n *node, kind fleet.Kind) Node {
	dir := filepath.Join(n.dir, string(kind))
	return Node{
		Bind: []string{n.host}, Dir: dir, Password: password,
		PidFile: filepath.Join(dir, "pid"), Version: semver.MustParse("7.0.15"),
	}
}

func (g *group) renderRedis(n *node) []byte {
	g.t.Helper()
	var replicaOf *fleet.Addr
	if m := g.master(); n.server.Addr != m {
		replicaOf = &m
	}
	text, err := g.set.Redis(NewRedisData(g.goal(n, fleet.KindRedis), g.local(n, fleet.KindRedis), replicaOf))
	if err != nil {
		g.t.Fatal(err)
	}
	return text
}

func (g *group) renderSentinel(n *node) []byte {
	g.t.Helper()
	text, err := g.set.Sentinel(NewSentinelData(g.goal(n, fleet.KindSentinel), g.local(n, fleet.KindSentinel), n.name, g.master()))
	if err != nil {
		g.t.Fatal(err)
	}
	return text
}

// start writes the rendered files and starts all servers, then all sentinels.
func (g *group) start() {
	g.t.Helper()
	for _, n := range g.nodes {
		n.redisPath = g.write(n, fleet.KindRedis, "redis.conf", g.renderRedis(n))
		n.redisProc = redistest.Start(g.t, n.redisPath, n.server.Addr.String(), password)
	}
	for _, n := range g.nodes {
		n.sentinelPath = g.write(n, fleet.KindSentinel, "sentinel.conf", g.renderSentinel(n))
		g.startSentinel(n)
	}
}

func (g *group) startSentinel(n *node) {
	g.t.Helper()
	n.sentinelProc = redistest.Start(g.t, n.sentinelPath, n.sentinel.Addr.String(), password, "--sentinel")
}

func (g *group) write(n *node, kind fleet.Kind, name string, text []byte) string {
	g.t.Helper()
	dir := g.local(n, kind).Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		g.t.Fatal(err)
	}
	return redistest.Write(g.t, dir, name, text)
}

// masterSeenBy is what a sentinel answers.
func (g *group) masterSeenBy(n *node) string {
	g.t.Helper()
	reply, ok := n.sentinelProc.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop").([]any)
	if !ok || len(reply) != 2 {
		g.t.Fatalf("get-master-addr-by-name answered %v", reply)
	}
	return net.JoinHostPort(fmt.Sprint(reply[0]), fmt.Sprint(reply[1]))
}

func seconds(n int64) fleet.Duration { return fleet.Duration(n * 1e9) }
