package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/safefile"
	"github.com/redfleet/redfleet/templates"
)

// redisConf is the name of a server's configuration in its folder.
const redisConf = "redis.conf"

func (a *Applier) startRedis(ctx context.Context, s converge.Step, t Target) error {
	if !a.UnitsFence && !s.Prepared {
		if err := a.Prepare(ctx, s, t); err != nil {
			return err
		}
	}
	return a.start(ctx, s, t, filepath.Join(Dir(a.DataDir, t.Goal.ID), redisConf))
}

// Prepare writes redis.conf with the role that a StartRedis step gives, and then
// notes that the server was started here, so that a crash before the start leads
// through the fence and never to a second first start.
func (a *Applier) Prepare(ctx context.Context, s converge.Step, t Target) error {
	node, err := a.node(t)
	if err != nil {
		return err
	}
	var follow *fleet.Addr
	if s.Follow != (fleet.Addr{}) {
		follow = &s.Follow
	}
	data := templates.NewRedisData(t.Goal, node, follow)
	data.ReplicaPriority, data.LoadRDB = s.Priority, s.SnapshotFirst
	rendered, err := a.Templates.Redis(data)
	if err != nil {
		return err
	}
	conf := filepath.Join(node.Dir, redisConf)
	err = a.writeConf(ctx, LabelRedis, conf, rendered, templates.MergeOwned(fleet.KindRedis, t.Goal.Config), func(f *redisconf.File) {
		// The one place where a role is written: what the seed, or the fence by
		// the sentinels' word, gave (promise sentinel-owns-master).
		f.Remove("replicaof")
		if follow != nil {
			f.Set("replicaof", follow.Host, strconv.Itoa(follow.Port))
		}
		if s.Priority == 0 {
			f.Set("replica-priority", "0")
		}
		if s.SnapshotFirst {
			f.Set("appendonly", "no")
		}
	})
	if err != nil {
		return err
	}
	outdated := false
	err = a.remember(ctx, t.Goal.ID, func(m *converge.Memory) {
		if outdated = follow == nil && m.GaveUp != s.GaveUp; outdated {
			return
		}
		// A priority of 0 stays in the file, whatever the next start is; so does this.
		m.Started, m.Retired, m.RaisePriority = true, false, m.RaisePriority || s.Priority == 0
		m.Starts++
		m.GaveUp, m.Retried = converge.GaveUp{}, s.Quick
	})
	if err == nil && outdated {
		err = fmt.Errorf("start %s: %w", t.Goal.ID, ErrOutdated)
	}
	return err
}

// ErrOutdated: the agent gave the master's role up after the decision that the
// instance may start as the master (hazard S20). Nothing is started.
var ErrOutdated = errors.New("its agent gave the master's role up meanwhile; it is decided anew")

// ErrStale: its start as the master is prepared, and the decision is too old by now
// (converge.Step.Stale). Nothing is started.
var ErrStale = errors.New("the machine or its disk stood still since it was decided that it starts as the master; it is decided anew")

func (a *Applier) startSentinel(ctx context.Context, s converge.Step, t Target) error {
	node, err := a.node(t)
	if err != nil {
		return err
	}
	data := templates.NewSentinelData(t.Goal, node, a.Node, s.Follow)
	if s.Fenced {
		data.Master = t.Goal.Servers[0].Addr // any: Merge keeps what Sentinel wrote
	}
	// Peers are introduced once they listen, see converge: a seeded peer that
	// does not listen yet would be tried again only after a second.
	data.KnownSentinels = nil
	rendered, err := a.Templates.Sentinel(data)
	if err != nil {
		return err
	}
	conf := filepath.Join(node.Dir, "sentinel.conf")
	if s.Fenced {
		if err := watches(conf, t.Goal.Monitor.MasterName); err != nil {
			return fmt.Errorf("the sentinel ran here before and its file is gone or empty (%w); it is not started without its state: remove the folder %s to make it new", err, node.Dir)
		}
	}
	err = a.writeConf(ctx, LabelSentinel, conf, rendered, templates.MergeOwned(fleet.KindSentinel, nil), func(*redisconf.File) {})
	if err != nil {
		return err
	}
	if err := a.remember(ctx, t.Goal.ID, func(m *converge.Memory) { m.Started, m.Retired = true, false }); err != nil {
		return err
	}
	return a.start(ctx, s, t, conf, "--sentinel")
}

// watches: the file holds the state of a sentinel of this master. Without its
// line a render would name a master, which is Sentinel's to know (promise
// sentinel-state-kept).
func watches(conf, master string) error {
	b, err := safefile.Read(conf)
	if err != nil {
		return err
	}
	f, err := redisconf.Parse(b)
	if err != nil {
		return err
	}
	for _, args := range f.Get("sentinel monitor") {
		if len(args) > 0 && args[0] == master {
			return nil
		}
	}
	return fmt.Errorf("%s has no line \"sentinel monitor %s\"", conf, master)
}

// node is what the machine adds to a render.
func (a *Applier) node(t Target) (templates.Node, error) {
	eng, ok := a.Engines[t.Goal.Engine]
	if !ok {
		return templates.Node{}, fmt.Errorf("the goal asks for %s, which is not installed here", t.Goal.Engine)
	}
	return templates.Node{Bind: a.Bind, Dir: Dir(a.DataDir, t.Goal.ID), Password: t.Password.Reveal(), Version: eng.Version}, nil
}

// writeConf merges what is rendered into what the engine wrote, edits it, and
// writes it only where it differs. A file that cannot be read stays as it is.
func (a *Applier) writeConf(ctx context.Context, label effect.Label, path string, rendered []byte,
	owned func(string) bool, edit func(*redisconf.File)) error {
	fresh, err := redisconf.Parse(rendered)
	if err != nil {
		return err
	}
	onDisk, err := ReadConf(path)
	if err != nil {
		return err
	}
	var old []byte
	if onDisk != nil {
		old = onDisk.Bytes()
	}
	merged, _ := redisconf.Merge(onDisk, fresh, owned)
	edit(merged)
	next := merged.Bytes()
	if string(next) == string(old) {
		return nil
	}
	return a.Effects.Do(ctx, label, func(context.Context) error { return safefile.Write(path, next, 0o600) })
}

// ReadConf reads a file that the engine rewrites; nil where there is none. One
// that cannot be read is an error that says what to do about it.
func ReadConf(path string) (*redisconf.File, error) {
	b, err := safefile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := redisconf.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged and is kept as it is (%w); move it away to have it made anew", path, err)
	}
	return f, nil
}

// startPatience is how long a start may wait for what the former process left (a
// background save): the agent has other instances to look after. The step is
// tried again.
const startPatience = time.Second

func (a *Applier) start(ctx context.Context, s converge.Step, t Target, conf string, args ...string) error {
	dir := Dir(a.DataDir, t.Goal.ID)
	unit := fleet.Unit{
		Name: t.Goal.ID, Dir: dir, Log: a.logFile(t.Goal),
		Argv: append([]string{a.Engines[t.Goal.Engine].Server, conf}, args...),
	}
	return a.Effects.Do(ctx, LabelStart, func(ctx context.Context) error {
		if !a.UnitsFence && s.Stale(time.Now()) { // else the unit's fence sees to that
			return ErrStale
		}
		ctx, cancel := context.WithTimeout(ctx, startPatience)
		defer cancel()
		return a.Starter.Start(ctx, unit)
	})
}

// endStranded ends a replica that nobody knows any more. It is started by the next
// look, as after any end: cut in between it is down, and is started all the same.
func (a *Applier) endStranded(ctx context.Context, t Target) error {
	return a.Effects.Do(ctx, LabelStranded, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, startPatience)
		defer cancel()
		return a.Starter.Stop(ctx, t.Goal.ID)
	})
}

// logFile takes what an instance says; empty for the journal.
func (a *Applier) logFile(g fleet.InstanceGoal) string {
	switch {
	case a.Journal:
		return ""
	case a.LogDir != "":
		return filepath.Join(a.LogDir, string(g.ID)+".log")
	default:
		return filepath.Join(Dir(a.DataDir, g.ID), string(g.Kind)+".log")
	}
}
