package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redismodel"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// Result is what a run came to.
type Result struct {
	// Steps is how many things happened, Hash a sum over all of them: two runs of one
	// schedule have the same.
	Steps int
	Hash  uint64
	// Violations are the promises that were broken.
	Violations []string
	// Virtual is how long the run took by its own clock.
	Virtual  time.Duration
	Coverage *Coverage
	// Trace is everything that happened, and what daemons logged, where it was asked
	// for.
	Trace []string
}

// Run runs a schedule; it must be called in a bubble of testing/synctest. dir is an
// empty folder of its own. The error is about the folder alone.
func Run(s Schedule, dir string, keepTrace bool) (Result, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w, err := newWorld(ctx, s, dir, keepTrace)
	if err != nil {
		return Result{}, err
	}
	w.start(ctx)
	w.play(ctx)
	w.settle(ctx)
	cancel()
	w.waits.Wait()
	w.consul.server.Close()
	for at, n := range w.labels {
		w.cover.label(at.label, at.at, n)
	}
	return Result{
		Steps: w.steps, Hash: w.hash, Violations: w.failures, Virtual: w.now(), Coverage: w.cover, Trace: w.lines,
	}, nil
}

func newWorld(ctx context.Context, s Schedule, dir string, keepTrace bool) (*World, error) {
	w := &World{
		chance: chance(s.Seed), schedule: s, dir: dir, keyFile: filepath.Join(dir, "fleet.key"), began: time.Now(), cover: NewCoverage(),
		systemd: map[string]*systemd{}, lives: map[string]int{}, processes: map[string]*process{}, hosts: map[string]*host{},
		bound: map[string]*process{}, keepTrace: keepTrace, labels: map[labelAt]int{}, cuts: map[string]int{},
	}
	w.roster = newRoster()
	w.judge, w.clients = newJudge(ctx, w), &clients{w: w, safe: map[int]*copies{}, stuck: map[string]stuck{}}
	var err error
	if w.key, err = secret.GenerateKey(); err != nil {
		return nil, err
	}
	if err := w.key.WriteKey(w.keyFile); err != nil {
		return nil, err
	}
	w.redis = redismodel.New(redismodel.Options{
		Seed: s.Seed, Delay: w.delay,
		Trace: func(_ time.Time, who, what string) {
			w.trace(who, "%s", what)
			w.failovers.told(who, what)
			w.unannounced.told(who, what)
		},
	})
	w.consul = newConsul(w)
	for i := range s.nodes() {
		n := &node{name: fmt.Sprintf("n%d", i+1), host: nodeHost(i + 1), dir: filepath.Join(dir, fmt.Sprintf("n%d", i+1)), process: s.Plain}
		if err := os.MkdirAll(n.dataDir(), 0o755); err != nil {
			return nil, err
		}
		w.nodes = append(w.nodes, n)
		w.systemd[n.host] = &systemd{w: w, node: n, ctx: ctx, units: map[fleet.InstanceID]*unit{}, hands: map[*hand]struct{}{}}
	}
	for _, e := range s.Events {
		if e.Label != "" {
			w.armed = append(w.armed, &armed{event: e})
		}
	}
	return w, nil
}

func nodeHost(i int) string        { return fmt.Sprintf("10.0.0.%d", i) }
func coordinatorHost(i int) string { return fmt.Sprintf("10.0.0.%d", 10+i) }

// delay is how long a message of Redis's takes.
func (w *World) delay(_, _ string, at float64) time.Duration {
	d := 100*time.Microsecond + time.Duration(at*float64(300*time.Microsecond))
	if w.slow.Load() > 0 {
		d += time.Duration(at * float64(350*time.Millisecond))
	}
	return d
}

// start begins every daemon, each at a moment of its own.
func (w *World) start(ctx context.Context) {
	w.waits.Go(func() { w.redis.Run(ctx) })
	w.waits.Go(func() { w.clients.run(ctx) })
	w.watchMembers(ctx)
	w.watchMasters(ctx)
	begin := func(name, at string, run func(ctx context.Context, p *process) error) {
		w.waits.Go(func() {
			pause(ctx, w.chance.between(0, 700*time.Millisecond, "begin", name))
			w.keep(ctx, name, at, run)
		})
	}
	for _, n := range w.nodes {
		begin(n.name+"/agent", n.host, func(ctx context.Context, p *process) error { return w.runAgent(ctx, p, n) })
	}
	for i := range coordinatorCount {
		begin(fmt.Sprintf("c%d", i+1), coordinatorHost(i+1), w.runCoordinator)
	}
}

// play carries out what the schedule has at its times.
func (w *World) play(ctx context.Context) {
	for _, e := range w.schedule.Events {
		if e.Label != "" {
			continue
		}
		pause(ctx, e.At-w.now())
		w.carryOut(e, nil)
	}
	// A moment more, so that what is mended at the end is mended.
	pause(ctx, w.schedule.end()+time.Millisecond-w.now())
}

func (w *World) agentConfig(n *node) specfile.AgentConfig {
	c := specfile.AgentConfig{
		Fleet: fleetName, Node: n.name, Address: n.host, KeyFile: w.keyFile, DataDir: n.dataDir(), StateDir: n.stateDir(),
		Supervisor: specfile.SupervisorSystemd, User: "root",
	}
	if n.process {
		c.Supervisor = specfile.SupervisorProcess
	}
	return c.WithDefaults()
}

func (w *World) runAgent(ctx context.Context, p *process, n *node) error {
	s := w.systemd[n.host]
	if s == nil {
		s = &systemd{w: w, node: n, ctx: ctx, units: map[fleet.InstanceID]*unit{}, hands: map[*hand]struct{}{}}
	}
	return agent.Run(ctx, agent.Options{
		Config: w.agentConfig(n), Log: w.logger(p), Hook: p.hook,
		Outside: agent.Outside{
			Network: p, FindEngine: w.findEngine, Consul: p, Supervisor: s.hand(p), Random: &p.stream, Jitter: p.jitter,
			MachineID: n.host, Clock: w.clockOf(n.host),
			Preflight: func(context.Context, fleet.Goal) preflight.Document { return preflight.Document{OK: true} },
		},
	})
}

func (w *World) runCoordinator(ctx context.Context, p *process) error {
	return coordinator.Run(ctx, coordinator.Options{
		Config: specfile.CoordinatorConfig{Fleet: fleetName, Name: p.name, KeyFile: w.keyFile, LeaseTTL: fleet.Duration(10 * time.Second)},
		Log:    w.logger(p), Hook: p.hook, Transport: p, Random: &p.stream, Jitter: p.jitter,
	})
}

// findEngine: every machine has the same.
func (w *World) findEngine(_ context.Context, name, _ string) (engine.Engine, error) {
	if name != fleet.EngineRedis {
		return engine.Engine{}, engine.ErrMissing
	}
	return engine.Engine{Name: name, Version: semver.MustParse("7.0.15"), Server: "/usr/bin/redis-server"}, nil
}

// duplicate runs a second agent under a node's name, on a machine of its own, until
// the faults end (hazard M4).
func (w *World) duplicate(of *node) bool {
	if w.consul.sessionOf(keys.Report(of.name)) == "" {
		return false // there is nobody yet whose double it would be
	}
	w.judge.mu.Lock()
	again := w.judge.duplicates[of.name]
	w.judge.duplicates[of.name] = true
	w.judge.mu.Unlock()
	if again {
		return false
	}
	twin := &node{name: of.name, host: "10.0.0.2" + of.name[1:], dir: filepath.Join(w.dir, "twin-"+of.name), process: true, twin: true}
	if err := os.MkdirAll(twin.dataDir(), 0o755); err != nil {
		w.fail("simulation", "%v", err)
		return false
	}
	ctx, cancel := context.WithCancel(w.judge.ctx)
	w.waits.Go(func() {
		w.keep(ctx, "twin-"+of.name+"/agent", twin.host, func(ctx context.Context, p *process) error { return w.runAgent(ctx, p, twin) })
	})
	w.waits.Go(func() {
		pause(ctx, w.schedule.end()-w.now())
		cancel()
		w.redis.PowerOff(twin.host) // whoever finds it takes the machine away
	})
	return true
}

// logger takes what a daemon logs: it is searched for secrets, and kept on demand.
func (w *World) logger(p *process) logrus.FieldLogger {
	x := logrus.New()
	x.SetOutput(io.Discard)
	x.SetLevel(logrus.InfoLevel)
	x.AddHook(logHook{w, p})
	return x
}

type logHook struct {
	w *World
	p *process
}

// Levels are all.
func (logHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire searches and keeps a line.
func (h logHook) Fire(e *logrus.Entry) error {
	line := e.Message
	if err, ok := e.Data[logrus.ErrorKey].(error); ok && !errors.Is(err, errKilled) {
		line += ": " + err.Error()
	}
	h.w.judge.secrets("the log of "+h.p.name, []byte(line))
	h.w.note(h.p.name, line)
	return nil
}
