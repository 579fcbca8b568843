package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/templates"
)

// machine is what a fence knows of its machine: only what the agent left on disk.
type machine struct {
	config   specfile.AgentConfig
	store    *state.Store
	instance fleet.InstanceGoal
	// goal holds the instance alone, under the goal's name and epoch.
	goal     fleet.Goal
	password secret.Password
	find     engine.Finder
}

// read gathers it for the fence, and refuses what cannot be relied upon.
func read(ctx context.Context, o Options) (machine, error) {
	m, err := readAny(ctx, o)
	if err != nil {
		return m, err
	}
	if m.instance.Kind != fleet.KindRedis {
		return m, fmt.Errorf("%s is a %s; the fence is for redis instances: a sentinel starts from its own file and waits for nobody",
			m.instance.ID, m.instance.Kind)
	}
	return m, m.refuseUnmoved()
}

// refuseUnmoved: an adopted instance that is started before it has moved would find
// its folder empty.
func (m machine) refuseUnmoved() error {
	var memory converge.Memory
	if m.instance.Adopted == nil {
		return nil
	}
	if _, err := m.store.Instance(m.instance.ID, &memory); err != nil || memory.Moved {
		return err
	}
	return fmt.Errorf("%s was adopted and has not moved here yet; a restart of its old unit moves it: systemctl restart %s",
		m.instance.ID, m.instance.Adopted.Unit)
}

// readAny is read for an instance of any kind.
func readAny(ctx context.Context, o Options) (machine, error) {
	config, id := o.Config, o.Instance
	m := machine{config: config, find: o.FindEngine}
	if m.find == nil {
		m.find = engine.Find
	}
	key, err := secret.LoadKey(config.KeyFile)
	if err != nil {
		return m, err
	}
	if m.store, err = state.OpenExisting(config.StateDir); errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%w: %w", errNoGoal, err)
	} else if err != nil {
		return m, err
	}
	m.store.Clock = o.Clock
	if err := m.readGoal(id); err != nil {
		return m, err
	}
	var version int
	m.password, version, err = m.store.Password(key, m.instance)
	if err == nil && version == 0 {
		err = fmt.Errorf("the password of group %s (version %d) is not on this disk; the agent fetches it from Consul: systemctl start redfleet-agent",
			m.instance.Group, m.instance.SecretVersion)
	}
	return m, errors.Join(err, ctx.Err())
}

// errNoGoal: no agent has followed a goal here.
var errNoGoal = errors.New("this node has no goal on its disk, so nothing says who its peers are; the agent takes it from Consul: systemctl start redfleet-agent")

func (m *machine) readGoal(id fleet.InstanceID) error {
	node, err := m.store.Node()
	if err != nil {
		return err
	}
	goal, found, err := m.store.Goal()
	switch {
	case err != nil:
		return fmt.Errorf("%w; the agent then takes the goal from Consul again: systemctl start redfleet-agent", err)
	case !found:
		return errNoGoal
	case goal.Node != m.config.Node:
		return fmt.Errorf("the goal on this disk is node %q's and this is node %q: the disk or the state folder %s comes from another machine; move the folder away and start redfleet-agent",
			goal.Node, m.config.Node, m.config.StateDir)
	case node.FleetID != "" && goal.FleetID != node.FleetID:
		return fmt.Errorf("the goal on this disk is of fleet %s and the node of fleet %s: the state folder %s was put together from two; bring back the right one, or move it away and start redfleet-agent",
			goal.FleetID, node.FleetID, m.config.StateDir)
	}
	var ids []string
	for _, g := range goal.Instances {
		ids = append(ids, string(g.ID))
		if g.ID == id {
			m.instance = g
		}
	}
	switch {
	case m.instance.ID == "":
		return fmt.Errorf("no %s in goal %d of node %s, which has: %s; a unit left over from an earlier plan is removed by systemctl disable",
			id, goal.Epoch, goal.Node, strings.Join(ids, " "))
	}
	m.goal = goal
	m.goal.Instances = []fleet.InstanceGoal{m.instance}
	return nil
}

// downSince counts from the first fence that held the instance, over all that
// systemd ran since. Where that cannot be told it is down since now.
func (m machine) downSince(id fleet.InstanceID) time.Time {
	since, err := m.store.DownFor(id)
	if err != nil {
		since = 0
	}
	return time.Now().Add(-since)
}

// applier writes files as the agent does; it starts nothing.
func (m machine) applier(ctx context.Context, effects effect.Runner) (*apply.Applier, error) {
	set, err := templates.New(m.config.TemplatesDir)
	if err != nil {
		return nil, err
	}
	paths := map[string]string{fleet.EngineRedis: m.config.RedisServer, fleet.EngineValkey: m.config.ValkeyServer}
	found, err := m.find(ctx, m.instance.Engine, paths[m.instance.Engine])
	if err != nil {
		return nil, err
	}
	return &apply.Applier{
		Node: m.config.Node, DataDir: m.config.DataDir, Bind: m.config.Bind, Templates: set, Store: m.store,
		Engines: map[string]engine.Engine{m.instance.Engine: found}, Effects: effects,
	}, nil
}
