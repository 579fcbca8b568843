package switchover

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/history/record"
	"github.com/redfleet/redfleet/internal/redistest"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/switchover"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host keeps these tests' ports apart from those of other packages.
const host = "127.0.0.163"

const password = "correct-horse-battery"

// downAfter of the groups, where nothing else is said: redfleet's default.
const downAfter = 5 * time.Second

// group is a real master, two replicas and three sentinels, on nodes n1 to n3, and
// clients that write through the sentinels.
type group struct {
	t         *testing.T
	target    drill.Target
	servers   map[string]*redistest.Proc
	sentinels map[string]*redistest.Proc
	rec       *record.Recorder
	// lines are what redis.conf has for the group's durability.
	lines []string
	// frozen are the pids of servers that were frozen.
	frozen map[string]int
}

// newGroup starts a group of durability "fast".
func newGroup(t *testing.T) *group {
	t.Helper()
	return newGroupOf(t, fleet.Fast, downAfter)
}

// newPatientGroup is one whose writes can be held for as long as there is: on a busy
// machine the replicas need their part of it to answer at all, and Sentinel two seconds
// to name another master.
func newPatientGroup(t *testing.T) *group {
	t.Helper()
	return newGroupOf(t, fleet.Fast, 2*downAfter)
}

// newGroupOf starts one with what redis.conf has for a durability.
func newGroupOf(t *testing.T, durability fleet.Durability, downAfter time.Duration, lines ...string) *group {
	t.Helper()
	g := &group{t: t, servers: map[string]*redistest.Proc{}, sentinels: map[string]*redistest.Proc{}, frozen: map[string]int{},
		target: drill.Target{Group: "main", MasterName: "main", Durability: string(durability), DownAfter: downAfter}}
	for i := 1; i <= 3; i++ {
		node := fmt.Sprintf("n%d", i)
		g.target.Servers = append(g.target.Servers, fleet.Member{Node: node, Addr: freeAddr(t)})
		g.target.Sentinels = append(g.target.Sentinels, fleet.Member{Node: node, Addr: freeAddr(t), ID: fmt.Sprintf("%040x", 0xabc0+i)})
	}
	g.lines = lines
	for i, m := range g.target.Servers {
		conf := g.serverConf(m)
		if i > 0 {
			conf = append(conf, follow(g.target.Servers[0]))
		}
		g.servers[m.Node] = g.start("redis.conf", m.Addr, conf)
	}
	for i, m := range g.target.Sentinels {
		g.sentinels[m.Node] = g.start("sentinel.conf", m.Addr, g.sentinelConf(i), "--sentinel")
	}
	g.ready()
	return g
}

func (g *group) serverConf(m fleet.Member) []string {
	return append([]string{fmt.Sprintf("port %d", m.Addr.Port), "bind " + host, "replica-announce-ip " + host, "requirepass " + password,
		"masterauth " + password, "repl-diskless-sync-delay 0", `save ""`}, g.lines...)
}

func follow(master fleet.Member) string {
	return fmt.Sprintf("replicaof %s %d", master.Addr.Host, master.Addr.Port)
}

// restart starts a server that has ended, as the fence does: as a replica.
func (g *group) restart(node string, master fleet.Member) {
	g.t.Helper()
	for _, m := range g.target.Servers {
		if m.Node == node {
			g.servers[node] = g.start("redis.conf", m.Addr, append(g.serverConf(m), follow(master)))
		}
	}
}

func (g *group) sentinelConf(i int) []string {
	m, master := g.target.Sentinels[i], g.target.Servers[0].Addr
	conf := []string{fmt.Sprintf("port %d", m.Addr.Port), "bind " + host, "requirepass " + password, "sentinel sentinel-pass " + password,
		"sentinel announce-ip " + host, "sentinel myid " + m.ID, fmt.Sprintf("sentinel monitor main %s %d 2", master.Host, master.Port),
		"sentinel auth-pass main " + password, fmt.Sprintf("sentinel down-after-milliseconds main %d", g.target.DownAfter.Milliseconds())}
	for j := range 3 {
		if s := g.target.Servers[j].Addr; j > 0 {
			conf = append(conf, fmt.Sprintf("sentinel known-replica main %s %d", s.Host, s.Port))
		}
		if p := g.target.Sentinels[j]; j != i {
			conf = append(conf, fmt.Sprintf("sentinel known-sentinel main %s %d %s", p.Addr.Host, p.Addr.Port, p.ID))
		}
	}
	return conf
}

func (g *group) start(name string, addr fleet.Addr, conf []string, args ...string) *redistest.Proc {
	g.t.Helper()
	path := redistest.Write(g.t, g.t.TempDir(), name, []byte(strings.Join(conf, "\n")+"\n"))
	return redistest.Start(g.t, path, addr.String(), password, args...)
}

func freeAddr(t *testing.T) fleet.Addr {
	return fleet.Addr{Host: host, Port: redistest.FreePort(t, host)}
}

// look is what the code under test sees.
func (g *group) look() (master fleet.Member, f facts) {
	g.t.Helper()
	e := open(g.target, g.password())
	defer e.close()
	f.servers, f.sentinels = e.look(context.Background())
	for _, s := range f.servers {
		if s.Role == fleet.RoleMaster {
			f.masters++
			master = s.Member
		}
	}
	return master, f
}

// whole waits until there is one master, both others follow it and every sentinel
// names it.
func (g *group) whole() (master fleet.Member) {
	g.t.Helper()
	until(g.t, 40*time.Second, func() string {
		m, f := g.look()
		master = m
		return f.missing(m)
	})
	return master
}

// ready waits until every sentinel could promote both replicas of a group that is
// whole.
func (g *group) ready() {
	g.t.Helper()
	until(g.t, 40*time.Second, func() string {
		m, f := g.look()
		return f.missing(m) + f.unready()
	})
}

// prefer has the sentinels choose a replica; they ask it for its priority every ten
// seconds.
func (g *group) prefer(node string) {
	g.t.Helper()
	const first = 10
	g.servers[node].Do("CONFIG", "SET", "replica-priority", strconv.Itoa(first))
	until(g.t, 40*time.Second, func() string {
		_, f := g.look()
		return f.notPreferred(g.addr(node), first)
	})
}

// addr is where a node's server listens.
func (g *group) addr(node string) fleet.Addr {
	for _, m := range g.target.Servers {
		if m.Node == node {
			return m.Addr
		}
	}
	g.t.Fatalf("no server on %s", node)
	return fleet.Addr{}
}

// notPreferred says which sentinel does not know yet that a replica has a priority.
func (f facts) notPreferred(addr fleet.Addr, priority int) string {
	for _, s := range f.sentinels {
		if !slices.ContainsFunc(s.Report.Replicas, func(r fleet.SeenInstance) bool { return r.Addr == addr && r.Priority == priority }) {
			return fmt.Sprintf("%+v", s)
		}
	}
	return ""
}

// facts are one look at a group.
type facts struct {
	servers   []switchover.Server
	sentinels []switchover.Sentinel
	masters   int
}

// missing says what keeps the group from being whole.
func (f facts) missing(master fleet.Member) string {
	if f.masters != 1 {
		return fmt.Sprintf("%d servers are master", f.masters)
	}
	for _, s := range f.servers {
		if s.Addr != master.Addr && (s.Error != "" || s.Master != master.Addr || !s.LinkUp) {
			return fmt.Sprintf("%+v", s)
		}
	}
	for _, s := range f.sentinels {
		if s.Error != "" || s.Report.Master != master.Addr {
			return fmt.Sprintf("%+v", s)
		}
	}
	return ""
}

// unready says what keeps the sentinels from another failover: they ask a new replica
// for INFO every ten seconds.
func (f facts) unready() string {
	for _, s := range f.sentinels {
		n := 0
		for _, r := range s.Report.Replicas {
			if r.Promotable && r.Reached {
				n++
			}
		}
		if s.Report.MasterFlags != "master" || n != 2 || len(s.Report.Peers) != 2 {
			return fmt.Sprintf("%+v", s)
		}
	}
	return ""
}

// until waits longer than redistest does: Sentinel takes its time to repair.
func until(t *testing.T, limit time.Duration, missing func() string) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		why := missing()
		if why == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", limit, why)
		}
	}
}

func (g *group) password() secret.Password {
	p, err := secret.NewPassword(password)
	if err != nil {
		g.t.Fatal(err)
	}
	return p
}

// options of a planned failover from the master that is; the sentinel beside it is
// asked.
func (g *group) options(hook effect.Hook) Options {
	master, _ := g.look()
	o := Options{Target: g.target, Password: g.password(), Master: master, Effects: effect.New(hook), Tell: g.t.Logf}
	for _, m := range g.target.Sentinels {
		if m.Node == master.Node {
			o.Ask = m
		}
	}
	return o
}

// record has clients write until the test ends, each with a pause between two writes.
func (g *group) record(writers int, pause time.Duration) {
	g.t.Helper()
	o := record.Options{Group: "main", Durability: g.target.Durability, Password: password, Servers: map[string]string{}, Writers: writers,
		WaitWriters: 1, WritePause: pause, ProbePause: 5 * time.Millisecond, Limit: 3 * time.Second}
	for _, m := range g.target.Servers {
		o.Servers[m.Node] = m.Addr.String()
	}
	for _, m := range g.target.Sentinels {
		o.Sentinels = append(o.Sentinels, m.Addr.String())
	}
	var err error
	if g.rec, err = record.Start(g.t.Context(), o); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { g.rec.Stop(); _ = g.rec.Close() })
	g.writing(100)
}

// writing waits until so many more writes are acknowledged.
func (g *group) writing(n int) {
	g.t.Helper()
	had, _ := g.rec.Acknowledged()
	redistest.Until(g.t, "writes", func() bool { has, _ := g.rec.Acknowledged(); return has >= had+n })
}

// judge compares what was acknowledged with what every server kept, by the times at
// which something was done to the group.
func (g *group) judge(began ...time.Duration) []history.Found {
	g.t.Helper()
	g.whole()
	ctx, cancel := context.WithTimeout(g.t.Context(), 20*time.Second)
	defer cancel()
	if err := g.rec.Look(ctx); err != nil {
		g.t.Fatal(err)
	}
	h := history.History{Length: g.rec.Now(), Groups: []history.Group{g.rec.Stop()}}
	for i, start := range began {
		h.Faults = append(h.Faults, history.Fault{Number: i + 1, Start: start, Healed: start, Whole: start})
	}
	why := map[history.Class]int{}
	for _, w := range h.Groups[0].Writes {
		if !w.Acknowledged() {
			why[w.Class]++
		}
	}
	g.t.Logf("failed writes: %v", why)
	var out []history.Found
	for _, row := range history.Check(h).Rows {
		out = append(out, row.All)
	}
	return out
}

// signal signals a server, which answers, by its pid.
func (g *group) signal(node string, sig syscall.Signal) {
	g.t.Helper()
	pid, err := strconv.Atoi(g.servers[node].Info("process_id"))
	if err != nil {
		g.t.Fatal(err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		g.t.Fatal(err)
	}
	if sig == syscall.SIGSTOP {
		g.frozen[node] = pid
		g.t.Cleanup(func() { g.thaw(node) })
	}
}

// thaw has a server that was frozen go on.
func (g *group) thaw(node string) { _ = syscall.Kill(g.frozen[node], syscall.SIGCONT) }
