// Package fleettest brings up a fleet for tests: real agents and coordinators
// in this process, real redis-server and redis-sentinel processes on loopback
// addresses, and a Consul, real or the stand-in, at an address that the test
// gives.
package fleettest

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
	"github.com/redfleet/redfleet/internal/process"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// Nets hands out loopback networks: each fleet of a test binary gets one of its
// own, so that all can use the standard ports. A test binary makes one.
type Nets struct{ next atomic.Int32 }

// Take gives the first two thirds of an address, as "127.31.4.". The network is
// the test's alone until its end, among the test binaries that run now too.
func (n *Nets) Take(t *testing.T) string {
	t.Helper()
	for range 250 {
		network := fmt.Sprintf("127.%d.%d.", 20+os.Getpid()%200, 1+n.next.Add(1)%250)
		l, err := net.Listen("tcp", network+"1:6480")
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
			return network
		}
	}
	t.Fatal("every loopback network is taken by other tests")
	return ""
}

// Fleet is one fleet under test.
type Fleet struct {
	t      *testing.T
	Dir    string
	Name   string
	Consul string
	Net    string
	Key    secret.Key
	Client *consul.Client
	Log    *Log
	Keys   fleet.Keys
	// LeaseTTL of the coordinators; the stand-in takes short ones.
	LeaseTTL time.Duration
	// ForgetGap of the coordinators; 0 is the usual one.
	ForgetGap time.Duration

	// token makes the token file of a role; nil where Consul asks for none.
	token func(policy.Policy) string

	mu      sync.Mutex
	running map[string]*Daemon
}

// Daemon is one agent or coordinator in this process.
type Daemon struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// Log keeps what the daemons log, for searches.
type Log struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// StandIn starts a stand-in for Consul with short session times.
func StandIn(t *testing.T) (*devconsul.Server, string) {
	t.Helper()
	s := devconsul.New(devconsul.Options{MinTTL: 100 * time.Millisecond, TTLFactor: 1, MinInterval: 50 * time.Millisecond})
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() { s.Close(); h.CloseClientConnections(); h.Close() })
	return s, strings.TrimPrefix(h.URL, "http://")
}

// New prepares a fleet; nothing runs yet. All that it starts ends with the test.
func New(t *testing.T, nets *Nets, consulAddr string) *Fleet {
	t.Helper()
	dir, err := os.MkdirTemp("", "redfleet-test-")
	if err != nil {
		t.Fatal(err)
	}
	f := &Fleet{
		t: t, Dir: dir, Name: "test", Consul: consulAddr, Net: nets.Take(t), Log: &Log{}, Keys: fleet.KeysOf("test"),
		LeaseTTL: 10 * time.Second, running: map[string]*Daemon{},
	}
	if f.Key, err = secret.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	if err := f.Key.WriteKey(f.KeyFile()); err != nil {
		t.Fatal(err)
	}
	if f.Client, err = consul.New(consul.Options{Address: consulAddr}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	return f
}

// KeyFile is the fleet's key.
func (f *Fleet) KeyFile() string { return filepath.Join(f.Dir, "fleet.key") }

// Host is the address of node n<i>.
func (f *Fleet) Host(i int) string { return fmt.Sprintf("%s%d", f.Net, 10+i) }

// Logger writes to the fleet's log.
func (f *Fleet) Logger(who string) logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(f.Log)
	l.SetLevel(logrus.DebugLevel)
	l.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: "15:04:05.000", DisableColors: true})
	return l.WithField("who", who)
}

// AgentConfig is the configuration of node n<i>.
func (f *Fleet) AgentConfig(i int) specfile.AgentConfig {
	node := filepath.Join(f.Dir, fmt.Sprintf("n%d", i))
	return specfile.AgentConfig{
		Fleet: f.Name, Node: fmt.Sprintf("n%d", i), Address: f.Host(i), Bind: []string{f.Host(i)},
		HTTP: net.JoinHostPort(f.Host(i), "6480"), Priority: 100, Consul: specfile.ConsulConfig{Address: f.Consul},
		KeyFile: f.KeyFile(), DataDir: filepath.Join(node, "data"), StateDir: filepath.Join(node, "state"),
		Supervisor: specfile.SupervisorProcess,
	}
}

// StartAgent runs the agent of node n<i>; edit may change its options.
func (f *Fleet) StartAgent(i int, edit func(*agent.Options)) *Daemon {
	o := agent.Options{Config: f.AgentConfig(i), Log: f.Logger(fmt.Sprintf("agent n%d", i))}
	o.Config.Consul.TokenFile = f.agentToken(i)
	if edit != nil {
		edit(&o)
	}
	return f.run(fmt.Sprintf("agent-%d", i), func(ctx context.Context) error { return agent.Run(ctx, o) })
}

// StartCoordinator runs coordinator c<i>.
func (f *Fleet) StartCoordinator(i int, hook effect.Hook) *Daemon {
	o := coordinator.Options{
		Config: specfile.CoordinatorConfig{
			Fleet: f.Name, Name: fmt.Sprintf("c%d", i), KeyFile: f.KeyFile(),
			Consul: specfile.ConsulConfig{Address: f.Consul, TokenFile: f.coordinatorToken()}, LeaseTTL: fleet.Duration(f.LeaseTTL),
		},
		Log: f.Logger(fmt.Sprintf("coordinator c%d", i)), Hook: hook, ForgetGap: f.ForgetGap,
	}
	return f.run(fmt.Sprintf("coordinator-%d", i), func(ctx context.Context) error { return coordinator.Run(ctx, o) })
}

func (f *Fleet) run(name string, do func(context.Context) error) *Daemon {
	ctx, cancel := context.WithCancel(context.Background())
	d := &Daemon{cancel: cancel, done: make(chan struct{})}
	f.mu.Lock()
	f.running[name] = d
	f.mu.Unlock()
	go func() {
		defer close(d.done)
		if d.err = do(ctx); d.err != nil {
			f.Logger(name).WithError(d.err).Error("the daemon ended")
		}
	}()
	return d
}

// Stop ends a daemon and gives its error.
func (d *Daemon) Stop() error {
	d.cancel()
	<-d.done
	return d.err
}

// Wait gives the error of a daemon that ends by itself.
func (d *Daemon) Wait(t *testing.T, limit time.Duration) error {
	t.Helper()
	select {
	case <-d.done:
		return d.err
	case <-time.After(limit):
		t.Fatalf("the daemon did not end within %s", limit)
		return nil
	}
}

// Spec is a spec of one group "main" on nodes n1..n<nodes>.
func (f *Fleet) Spec(nodes int, edit func(*fleet.GroupSpec)) fleet.Spec {
	g := fleet.GroupSpec{Name: "main", Topology: fleet.Sentinel, Sentinel: fleet.SentinelSpec{
		DownAfter: fleet.Duration(2 * time.Second), FailoverTimeout: fleet.Duration(5 * time.Second),
	}}
	for i := range nodes {
		g.Nodes = append(g.Nodes, fmt.Sprintf("n%d", i+1))
	}
	if edit != nil {
		edit(&g)
	}
	return fleet.Spec{Fleet: fleet.FleetSpec{Name: f.Name}, Groups: []fleet.GroupSpec{g}}.WithDefaults()
}

// Apply writes a spec record as the operator does.
func (f *Fleet) Apply(rec fleet.SpecRecord) {
	f.t.Helper()
	rec.Format = fleet.Format
	b, err := records.Encode(rec)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.Client.Txn(f.t.Context(), consul.Set(f.Keys.Spec(), b)); err != nil {
		f.t.Fatal(err)
	}
}

// World reads the fleet's records.
func (f *Fleet) World(ctx context.Context) (fleet.World, error) {
	return records.LoadWorld(ctx, f.Client, f.Name, time.Now(), true)
}

// Assessment is the verdict on group main.
func (f *Fleet) Assessment(ctx context.Context) (fleet.Assessment, error) {
	w, err := f.World(ctx)
	if err != nil {
		return fleet.Assessment{}, err
	}
	return assess.Group(w, "main"), nil
}

// WaitFor polls the verdict until ok likes it; the test fails with the last one.
func (f *Fleet) WaitFor(limit time.Duration, what string, ok func(fleet.Assessment) bool) fleet.Assessment {
	f.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		a, err := f.Assessment(f.t.Context())
		if err == nil && ok(a) {
			return a
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: not within %s; last: %v %s (%s)\n%s\n--- log ---\n%s", what, limit, err, a.State, a.Reason, failing(a), tail(f.Log.String()))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// WaitServing waits until every check of verify holds.
func (f *Fleet) WaitServing(limit time.Duration) fleet.Assessment {
	f.t.Helper()
	return f.WaitFor(limit, "serving and verified", func(a fleet.Assessment) bool {
		return a.State == fleet.GroupServing && failing(a) == ""
	})
}

func failing(a fleet.Assessment) string {
	var b strings.Builder
	for _, c := range a.Checks {
		if !c.OK {
			fmt.Fprintf(&b, "%s: seen %s, want %s (%.1fs)\n", c.Name, c.Seen, c.Want, c.AgeS)
		}
	}
	return b.String()
}

func tail(s string) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// Password opens the group's password with the fleet's key.
func (f *Fleet) Password() string {
	f.t.Helper()
	e, found, err := f.Client.Get(f.t.Context(), f.Keys.Secret("main"))
	if err != nil || !found {
		f.t.Fatalf("the group's secret: found %v, %v", found, err)
	}
	sec, err := records.Decode[fleet.Secret](e.Key, e.Value)
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := f.Key.Open(sec.Sealed, sec.Recipient)
	if err != nil {
		f.t.Fatal(err)
	}
	return p.Reveal()
}

// answersIn bounds one answer to a test's own client. The agent's second is for
// whoever asks again a second later: a test often asks once, and a server or the test
// itself can stand still for that long on a busy machine.
const answersIn = 10 * time.Second

// Redis connects to the server of node n<i>, for the test's length.
func (f *Fleet) Redis(i int) *redis.Server {
	c := redis.DialTimeout(fleet.Addr{Host: f.Host(i), Port: 6379}, f.Password(), answersIn)
	f.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Sentinel connects to the sentinel of node n<i>, for the test's length.
func (f *Fleet) Sentinel(i int) *redis.SentinelClient {
	c := redis.DialSentinelTimeout(fleet.Addr{Host: f.Host(i), Port: 26379}, f.Password(), answersIn)
	f.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Units opens the process records of node n<i>.
func (f *Fleet) Units(i int) *process.Supervisor {
	s := process.New(filepath.Join(f.AgentConfig(i).StateDir, "run"), f.Logger("test"))
	f.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (f *Fleet) close() {
	f.mu.Lock()
	running := f.running
	f.running = map[string]*Daemon{}
	f.mu.Unlock()
	for _, d := range running {
		_ = d.Stop()
	}
	f.killAll()
	f.Client.Close()
	if f.t.Failed() {
		f.t.Logf("log of the daemons:\n%s", tail(f.Log.String()))
	}
	err := os.RemoveAll(f.Dir)
	for until := time.Now().Add(answersIn); err != nil && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		err = os.RemoveAll(f.Dir) // a child that saves a server's data outlives the server's end by kill -9
	}
	if err != nil {
		f.t.Error(err)
	}
}

// killAll ends every process that the fleet's agents started.
func (f *Fleet) killAll() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dirs, _ := filepath.Glob(filepath.Join(f.Dir, "n*", "state", "run"))
	for _, dir := range dirs {
		s := process.New(dir, f.Logger("test"))
		names, err := s.List()
		if err != nil {
			f.t.Error(err)
		}
		for _, n := range names {
			if err := s.Kill(ctx, n); err != nil {
				f.t.Error(err)
			}
		}
		_ = s.Close()
	}
}
