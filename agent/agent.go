package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/agent/publish"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/systemd"
	"github.com/redfleet/redfleet/templates"
)

// agent is one running agent. Its fields are owned by the loop, but for what is
// said to be shared.
type agent struct {
	cfg     specfile.AgentConfig
	log     logrus.FieldLogger
	keys    fleet.Keys
	key     secret.Key
	client  *consul.Client
	store   *state.Store
	units   Supervisor
	notify  systemd.Notifier
	effects effect.Runner
	now     func() time.Time
	boot    string
	outside Outside

	engines  []fleet.EngineReport
	applier  *apply.Applier
	observer *observe.Observer
	pub      *publish.Publisher
	offers   *offers
	roles    *roles
	gate     *gate
	foreign  *foreign

	node      state.Node
	goal      *fleet.Goal
	problem   string
	passwords map[string]opened
	failed    map[fleet.InstanceID]failure
	// expected is what each server's CONFIG GET should answer under this goal.
	expected map[fleet.InstanceID]map[string]string
	// lastRole is the role that each server was last seen in.
	lastRole map[fleet.InstanceID]fleet.Role
	// troubles are those that were told of each server and not ended since.
	troubles map[string]trouble
	// acted is when a step was carried out last.
	acted time.Time
	// reigns are the servers that were last seen running as masters, followed whom
	// each replica was last seen to follow, succeeded what claims tell of them.
	reigns    map[fleet.InstanceID]reign
	followed  map[fleet.InstanceID]fleet.Addr
	succeeded map[fleet.InstanceID]succeeded
	claims    *claims
	releaseAt time.Time
	// held is the last reason told of each instance that stays down.
	held map[fleet.InstanceID]string
}

// opened is a group's password in memory.
type opened struct {
	password secret.Password
	version  int
}

// Run is the agent, until ctx ends. It returns an error only for what waiting
// cannot mend: a bad configuration, a key that cannot be used, a name or an
// address that another agent has.
func Run(ctx context.Context, o Options) error {
	a, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer a.close()
	server, err := a.roles.listen(ctx, a.outside.Network, a.cfg.HTTP)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.serve(ctx) })
	group.Go(func() error { return a.pub.Run(ctx) })
	group.Go(func() error { return a.watches(ctx) })
	group.Go(func() error { return a.loop(ctx) })
	group.Go(func() error { return a.survey(ctx) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// prepare does all that can fail before anything is touched.
func prepare(ctx context.Context, o Options) (*agent, error) {
	a := &agent{
		cfg: o.Config, log: o.Log, keys: fleet.KeysOf(o.Config.Fleet), effects: effect.New(o.Hook), now: time.Now,
		outside: o.Outside.withDefaults(), offers: newOffers(), roles: &roles{}, foreign: &foreign{},
		passwords: map[string]opened{}, failed: map[fleet.InstanceID]failure{}, held: map[fleet.InstanceID]string{}, troubles: map[string]trouble{}, lastRole: map[fleet.InstanceID]fleet.Role{},
		reigns: map[fleet.InstanceID]reign{}, followed: map[fleet.InstanceID]fleet.Addr{}, succeeded: map[fleet.InstanceID]succeeded{},
	}
	a.claims = newClaims(a.offers.wakeUp)
	boot, err := ulid.New(ulid.Timestamp(a.now()), a.outside.Random)
	if err != nil {
		return nil, err
	}
	a.boot = boot.String()
	if a.key, err = secret.LoadKey(a.cfg.KeyFile); err != nil {
		return nil, err
	}
	set, err := templates.New(a.cfg.TemplatesDir)
	if err != nil {
		return nil, err
	}
	if a.store, err = state.Open(a.cfg.StateDir); err != nil {
		return nil, unwritable(err, a.cfg.StateDir)
	}
	a.store.Clock = a.outside.Clock
	if err := a.remembered(ctx); err != nil {
		return nil, err
	}
	session, err := a.store.Session()
	if err != nil {
		return nil, err
	}
	a.client, err = consul.New(consul.Options{
		Address: a.cfg.Consul.Address, TokenFile: a.cfg.Consul.TokenFile,
		OnError: consul.Once(a.hearConsul), OnBack: func() { a.pub.Anew() }, Transport: a.outside.Consul, Jitter: a.outside.Jitter,
	})
	if err != nil {
		return nil, err
	}
	if err := preflight.CheckNames(a.cfg.PreflightIgnore); err != nil {
		return nil, fmt.Errorf("preflight_ignore in agent.toml: %w", err)
	}
	a.gate = a.newGate()
	engines := a.findEngines(ctx)
	a.applier = &apply.Applier{
		Node: a.cfg.Node, DataDir: a.cfg.DataDir, Bind: a.cfg.Bind, Engines: engines,
		Templates: set, Store: a.store, Effects: a.effects,
	}
	if err := a.supervise(o.ConfigFile); err != nil {
		return nil, err
	}
	a.applier.Starter = a.units
	a.observer = observe.New(a.cfg.DataDir, a.store, a.units, a.now)
	a.observer.Network, a.observer.StrandedFor = a.outside.Network, cmp.Or(o.StrandedFor, observe.StrandedFor)
	a.pub = publish.New(publish.Options{
		Client: a.client, Keys: a.keys, Fleet: a.cfg.Fleet, Node: a.cfg.Node, Address: a.cfg.Address, Boot: a.boot,
		Session: session, Keep: a.store.SaveSession, Effects: a.effects, Log: a.log, Now: a.now,
		Random: a.outside.Random, Jitter: a.outside.Jitter,
	})
	return a, nil
}

// remembered reads what an earlier run left: who this agent is and its goal.
func (a *agent) remembered(ctx context.Context) error {
	n, err := a.store.Node()
	if err != nil {
		return err
	}
	a.node = n
	if n.Agent == "" {
		id, err := uuid.NewRandomFromReader(a.outside.Random)
		if err != nil {
			return err
		}
		n.Agent = id.String()
		if err := a.keepNode(ctx, n); err != nil {
			return err
		}
	}
	goal, found, err := a.store.Goal()
	if err != nil {
		a.refuse(err.Error()) // Consul's copy is taken when it comes
	} else if found {
		a.goal, a.expected = &goal, map[fleet.InstanceID]map[string]string{}
	}
	return nil
}

// findEngines asks which engines are installed; none is a fact for the report.
func (a *agent) findEngines(ctx context.Context) map[string]engine.Engine {
	found := map[string]engine.Engine{}
	paths := map[string]string{fleet.EngineRedis: a.cfg.RedisServer, fleet.EngineValkey: a.cfg.ValkeyServer}
	for _, name := range fleet.Engines() {
		e, err := a.outside.FindEngine(ctx, name, paths[name])
		switch {
		case err == nil:
			found[name] = e
			a.engines = append(a.engines, fleet.EngineReport{Name: name, Version: e.Version.String()})
		case paths[name] != "" || !errors.Is(err, engine.ErrMissing):
			a.engines = append(a.engines, fleet.EngineReport{Name: name, Problem: err.Error()})
		}
	}
	if len(a.engines) == 0 {
		a.engines = append(a.engines, fleet.EngineReport{Name: fleet.EngineRedis,
			Problem: fmt.Sprintf("neither redis-server nor valkey-server is installed on %s: apt-get install redis-server", a.cfg.Node)})
	}
	return found
}

// hearConsul logs when a watch fails, for a new reason, and when it works again. Then
// the node's session may be gone: Consul forgets a server of its own that fails, with
// all that was on it (hazard K5).
func (a *agent) hearConsul(what string, err error) {
	if err == nil {
		a.log.Infof("%s works again", what)
		a.pub.Recheck()
		return
	}
	a.pub.Out()
	a.log.WithError(err).Warnf("%s failed and is tried again; the node goes on as it is", what)
}

func (a *agent) close() {
	a.gate.close()
	a.claims.close()
	a.observer.Close()
	if err := a.units.Close(); err != nil {
		a.log.WithError(err).Warn("the supervisor did not close cleanly")
	}
	a.client.Close()
}
