package sim

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/safefile"
)

// label looks at a node's files around the effects that write them.
func (j *judge) label(p *process, l effect.Label, at effect.Point) {
	name, _, _ := strings.Cut(p.name, "/")
	i := slices.IndexFunc(j.w.nodes, func(n *node) bool { return n.name == name })
	if i < 0 || j.w.nodes[i].host != p.host {
		return
	}
	n := j.w.nodes[i]
	switch {
	case l == apply.LabelSentinel:
		j.sentinelConf(n, at)
	case l == agent.LabelGoal && at == effect.After:
		j.followed(n)
	case l == agent.LabelSecret && at == effect.After:
		j.keepsSecret(n)
	}
}

// sentinelConf: what Sentinel wrote survives a render (sentinel-state-kept).
func (j *judge) sentinelConf(n *node, at effect.Point) {
	paths, _ := filepath.Glob(filepath.Join(n.dataDir(), "sentinel-*", "sentinel.conf"))
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, path := range paths {
		b, err := safefile.Read(path)
		if err != nil {
			continue
		}
		f, err := redisconf.Parse(b)
		if err != nil {
			continue
		}
		now, err := redisconf.ReadSentinelState(f)
		if err != nil {
			continue
		}
		if before, known := j.sentinels[path]; known && at == effect.After {
			j.compare(path, before, now)
		}
		j.sentinels[path] = now
	}
	if at == effect.After {
		clear(j.sentinels)
	}
}

func (j *judge) compare(path string, before, now redisconf.SentinelState) {
	path = strings.TrimPrefix(path, j.w.dir)
	if before.MyID != "" && before.MyID != now.MyID {
		j.w.fail("sentinel-state-kept", "%s: myid was changed", path)
	}
	if now.CurrentEpoch < before.CurrentEpoch {
		j.w.fail("sentinel-state-kept", "%s: current-epoch went from %d to %d", path, before.CurrentEpoch, now.CurrentEpoch)
	}
	for _, m := range before.Masters {
		i := slices.IndexFunc(now.Masters, func(x redisconf.MonitoredMaster) bool { return x.Name == m.Name })
		if i < 0 || now.Masters[i].ConfigEpoch < m.ConfigEpoch || now.Masters[i].Addr != m.Addr {
			j.w.fail("sentinel-state-kept", "%s: what it says of master %s was changed", path, m.Name)
		}
	}
}

// followed: a node never goes back to an older goal, and one epoch is one goal.
func (j *judge) followed(n *node) {
	store, err := state.OpenExisting(n.stateDir())
	if err != nil {
		return
	}
	g, found, err := store.Goal()
	if err != nil || !found {
		return
	}
	b, _ := json.Marshal(g)
	j.mu.Lock()
	defer j.mu.Unlock()
	if g.Epoch < j.epochs[n.name] {
		j.w.fail("resumable", "%s follows goal %d after goal %d", n.name, g.Epoch, j.epochs[n.name])
	}
	j.epochs[n.name], j.assigned[n.name] = g.Epoch, map[fleet.InstanceID]fleet.State{}
	for _, i := range g.Instances {
		j.assigned[n.name][i.ID] = i.Assigned
		if j.acted.follows(i.Group, n.name, i.GroupID) {
			j.w.fail("one-election", "nodes follow two decisions about group %s", i.Group)
		}
	}
	key := n.name + " " + g.FleetID + " " + jsonNumber(g.Epoch)
	if before, known := j.goals[key]; known && before != string(b) {
		j.w.fail("resumable", "epoch %d of %s stands for two goals", g.Epoch, n.name)
	}
	j.goals[key] = string(b)
}

func jsonNumber(n uint64) string { b, _ := json.Marshal(n); return string(b) }
