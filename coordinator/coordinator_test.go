package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// within is far longer than any of it takes.
const within = time.Minute

// scene is a stand-in for Consul with nodes that only report, and what a
// coordinator needs.
type scene struct {
	t      *testing.T
	server *devconsul.Server
	addr   string
	client *consul.Client
	keys   fleet.Keys
	config specfile.CoordinatorConfig
	log    *lines
}

// lines keeps a log.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func newScene(t *testing.T, nodes int) *scene {
	t.Helper()
	s := &scene{t: t, keys: fleet.KeysOf("shop"), log: &lines{}}
	s.server = devconsul.New(devconsul.Options{MinTTL: 100 * time.Millisecond, TTLFactor: 1})
	h := httptest.NewServer(s.server.Handler())
	t.Cleanup(func() { s.server.Close(); h.CloseClientConnections(); h.Close() })
	s.addr = strings.TrimPrefix(h.URL, "http://")
	var err error
	if s.client, err = consul.New(consul.Options{Address: s.addr}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	key, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s.config = specfile.CoordinatorConfig{Fleet: "shop", Name: "c1", KeyFile: filepath.Join(t.TempDir(), "key"),
		Consul: specfile.ConsulConfig{Address: s.addr}, LeaseTTL: fleet.Duration(10 * time.Second)}
	if err := key.WriteKey(s.config.KeyFile); err != nil {
		t.Fatal(err)
	}
	s.report(nodes)
	return s
}

// report writes the first reports of nodes n0, n1, … under one session.
func (s *scene) report(nodes int) {
	session, err := s.client.CreateSession(s.t.Context(), "nodes", time.Hour, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range nodes {
		node := fmt.Sprintf("n%d", i)
		b, err := records.Encode(fleet.Report{Format: fleet.Format, Node: node, Agent: node, Boot: node,
			Address: fmt.Sprintf("192.0.2.%d", i+1), At: time.Now(),
			Engines: []fleet.EngineReport{{Name: fleet.EngineRedis, Version: "7.0.15"}}})
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := s.client.Txn(s.t.Context(), consul.Lock(s.keys.Report(node), b, session)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// groups are n replication groups, each on all nodes.
func groups(n, nodes int) []fleet.GroupSpec {
	var out []fleet.GroupSpec
	for i := range n {
		g := fleet.GroupSpec{Name: fmt.Sprintf("g%d", i), Topology: fleet.Replication, Port: 7000 + i}
		for j := range nodes {
			g.Nodes = append(g.Nodes, fmt.Sprintf("n%d", j))
		}
		out = append(out, g)
	}
	return out
}

func (s *scene) apply(rec fleet.SpecRecord) {
	s.t.Helper()
	rec.Format, rec.Spec.Fleet.Name = fleet.Format, "shop"
	b, err := records.Encode(rec)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.client.Txn(s.t.Context(), consul.Set(s.keys.Spec(), b)); err != nil {
		s.t.Fatal(err)
	}
}

// start runs a coordinator until the test ends.
func (s *scene) start(hook effect.Hook) {
	log := logrus.New()
	log.SetOutput(s.log)
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, Options{Config: s.config, Log: log, Hook: hook}) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
}

func (s *scene) world() fleet.World {
	s.t.Helper()
	w, err := records.LoadWorld(s.t.Context(), s.client, "shop", time.Now(), false)
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

func (s *scene) waitFor(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within %s; the log:\n%s", what, within, s.log)
		}
	}
}

// formed: so many groups, and every goal committed with an instance of each.
func (s *scene) formed(groups, nodes int) bool {
	w := s.world()
	if len(w.Groups) != groups || len(w.Goals) != nodes || w.Control == nil {
		return false
	}
	for _, g := range w.Goals {
		if len(g.Instances) != groups || g.Epoch > w.Control.Committed {
			return false
		}
	}
	return true
}

func (s *scene) events(what string) int {
	s.t.Helper()
	entries, err := s.client.List(s.t.Context(), s.keys.Events())
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		n += strings.Count(string(e.Value), what)
	}
	return n
}

// TestLargePlans: any number of groups and nodes comes through, although one
// transaction takes 128 steps and 512 KiB (hazard K3).
func TestLargePlans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ groups, nodes int }{{140, 3}, {3, 90}} {
		t.Run(fmt.Sprintf("%d groups on %d nodes", c.groups, c.nodes), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, c.nodes)
			s.apply(fleet.SpecRecord{Spec: fleet.Spec{Groups: groups(c.groups, c.nodes)}})
			s.start(nil)
			s.waitFor("all groups formed", func() bool { return s.formed(c.groups, c.nodes) })
			if n := s.events("initial master is"); n != c.groups {
				t.Errorf("%d elections are in the history, want %d", n, c.groups)
			}
		})
	}
}

// TestLostAnswers: a write happens and its answer is lost. It counts once, and
// its event is in the history.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, label := range []effect.Label{LabelDecision, LabelGoals, LabelCommit} {
		t.Run(string(label), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 70)
			s.apply(fleet.SpecRecord{Spec: fleet.Spec{Groups: groups(1, 70)}})
			var once sync.Once
			s.start(func(_ context.Context, l effect.Label, at effect.Point) error {
				if l == label && at == effect.Before {
					once.Do(func() {
						s.server.SetFaults(devconsul.Faults{Path: "/v1/txn", Drop: true, AfterEffect: true})
						go func() { // until one answer was lost, however long that takes here
							for s.log.count("a write to Consul failed") == 0 && t.Context().Err() == nil {
								time.Sleep(5 * time.Millisecond)
							}
							s.server.SetFaults(devconsul.Faults{})
						}()
					})
				}
				return nil
			})
			s.waitFor("the group formed", func() bool { return s.formed(1, 70) })
			w := s.world()
			for node, g := range w.Goals {
				if g.Instances[0].GroupID != w.Groups["g0"].ID {
					t.Errorf("the goal of %s is of another decision", node)
				}
			}
			if n := s.events("initial master is"); n != 1 {
				t.Errorf("the election is told %d times", n)
			}
			if s.log.count("a write to Consul failed") == 0 {
				t.Error("no answer was lost")
			}
		})
	}
}

// TestAStalePlanIsNotWritten: one epoch never stands for two plans, or an agent
// that followed the first would never see the second.
func TestAStalePlanIsNotWritten(t *testing.T) {
	t.Parallel()
	s := newScene(t, 3)
	log := logrus.New()
	log.SetOutput(s.log)
	key, err := secret.LoadKey(s.config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{name: "c1", fleet: "shop", keys: s.keys, client: s.client, key: key, effects: effect.New(nil), log: log, now: time.Now}
	err = s.client.Lease(s.keys.Lease(), "c1", 10*time.Second, 0).Run(t.Context(), func(ctx context.Context, held *consul.Held) error {
		a := &term{daemon: d, held: held}
		w := fleet.World{}
		first := plan.Plan{FleetID: "f", Epoch: 1, Goals: []fleet.Goal{{Format: fleet.Format, Node: "n1", Epoch: 1}}}
		if err := a.write(ctx, w, first); err != nil {
			return err
		}
		w.Control = &fleet.Control{Format: fleet.Format, FleetID: "f", Committed: 1}
		stale := a.control
		second := plan.Plan{Epoch: 2, Goals: []fleet.Goal{{Format: fleet.Format, Node: "n1", Epoch: 2}}}
		if err := a.write(ctx, w, second); err != nil {
			return err
		}
		for name, p := range map[string]plan.Plan{
			"goals":   {Epoch: 2, Goals: []fleet.Goal{{Format: fleet.Format, Node: "n2", Epoch: 2}}},
			"a phase": {Update: []fleet.Group{{Format: fleet.Format, Name: "g", Phase: fleet.PhaseVerifying}}},
		} {
			a.control = stale
			if err := a.write(ctx, w, p); !errors.Is(err, consul.ErrConflict) || errors.Is(err, consul.ErrLeaseLost) {
				t.Errorf("%s planned upon old records: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := s.world(); len(w.Goals) != 1 || len(w.Groups) != 0 || w.Control.Committed != 2 {
		t.Errorf("goals %v, groups %v, control %+v", w.Goals, w.Groups, w.Control)
	}
}

// TestAPasswordForAnotherKey holds up its own group and no other, and is told
// once.
func TestAPasswordForAnotherKey(t *testing.T) {
	t.Parallel()
	s := newScene(t, 3)
	other, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	password, err := secret.NewPassword("a-password-of-the-operator")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secret.Seal(other.Recipient(), password)
	if err != nil {
		t.Fatal(err)
	}
	s.apply(fleet.SpecRecord{Spec: fleet.Spec{Groups: groups(2, 3)}, Passwords: map[string]string{"g0": sealed}})
	s.start(nil)
	s.waitFor("the other group formed", func() bool { return s.formed(1, 3) })
	s.waitFor("the refusal told", func() bool { return s.events("the group is not formed") > 0 })
	time.Sleep(time.Second) // time to tell it again
	if n, logged := s.events("the group is not formed"), s.log.count("start the coordinators with the key that sealed it"); n != 1 || logged != 1 {
		t.Errorf("told %d times, logged %d times, want once", n, logged)
	}
	if n := s.log.count("a write to Consul failed"); n != 0 {
		t.Errorf("%d writes failed", n)
	}
}
