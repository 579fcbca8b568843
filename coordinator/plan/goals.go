package plan

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // a stable name, not a secret: Sentinel's ids have 40 hex digits.
	"encoding/hex"
	"encoding/json"

	"github.com/redfleet/redfleet/internal/fleet"
)

// SentinelID is the myid of a group's sentinel on a node. It is chosen here so
// that sentinels can be told of each other before they meet, and it is the same
// again after a lost disk, so that no ghost voter stays behind (hazards S1, S4).
func SentinelID(groupID, node string) string {
	sum := sha1.Sum([]byte(groupID + "/" + node)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// addGroup adds a group's instances to the goals of its nodes; false when the
// address of a node is not known, so that no complete goal can be made.
func addGroup(goals map[string]*fleet.Goal, w fleet.World, g fleet.GroupSpec, rec fleet.Group) bool {
	base := fleet.InstanceGoal{
		Group: g.Name, GroupID: rec.ID, Topology: g.Topology, Engine: g.Engine, Service: g.Service,
		Assigned: fleet.Running, SecretVersion: rec.CredentialsVersion, Seed: seedOf(w, rec),
	}
	var ok bool
	if base.Servers, ok = members(w, g, g.Nodes, g.Port); !ok {
		return false
	}
	if g.Topology == fleet.Sentinel {
		if base.Sentinels, ok = members(w, g, g.Sentinel.Nodes, g.Sentinel.Port); !ok {
			return false
		}
		for i := range base.Sentinels {
			base.Sentinels[i].ID = SentinelID(rec.ID, base.Sentinels[i].Node)
			if was := rec.Adopted.Instance(base.Sentinels[i].Node, fleet.KindSentinel); was != nil {
				base.Sentinels[i].ID = was.MyID // it keeps its own
			}
		}
		base.Monitor = &fleet.Monitor{
			MasterName: g.Sentinel.MasterName, Quorum: g.Sentinel.Quorum,
			DownAfter: g.Sentinel.DownAfter, FailoverTimeout: g.Sentinel.FailoverTimeout,
			ParallelSyncs: g.Sentinel.ParallelSyncs, Announce: g.Sentinel.Announce, Open: g.Sentinel.Open,
		}
		if g.OnCrash != fleet.OnCrashFailover {
			base.Monitor.OnCrash = g.OnCrash
		}
	}
	if rec.Members != nil {
		base.Change = rec.Members.Change
	}
	for _, m := range base.Servers {
		inst := base
		inst.Kind, inst.Addr, inst.ID = fleet.KindRedis, m.Addr, fleet.NewInstanceID(fleet.KindRedis, g.Name, m.Addr.Port)
		inst.Config = g.WithDurability()
		inst.Adopted = originOf(rec, m.Node, fleet.KindRedis)
		add(goals, m.Node, inst)
	}
	for _, m := range base.Sentinels {
		inst := base
		inst.Kind, inst.Addr, inst.ID = fleet.KindSentinel, m.Addr, fleet.NewInstanceID(fleet.KindSentinel, g.Name, m.Addr.Port)
		inst.Forget = forgetOf(rec, m.Node)
		inst.Adopted = originOf(rec, m.Node, fleet.KindSentinel)
		add(goals, m.Node, inst)
	}
	addRetired(goals, w, rec)
	return true
}

// originOf is where an adopted instance comes from; nil for any other.
func originOf(rec fleet.Group, node string, kind fleet.Kind) *fleet.Origin {
	was := rec.Adopted.Instance(node, kind)
	if was == nil {
		return nil
	}
	return &was.From
}

// seedOf gives the seed while the group forms and nil from then on: after
// bootstrap no goal states a role (promise sentinel-owns-master).
func seedOf(w fleet.World, rec fleet.Group) *fleet.Seed {
	if rec.Phase == fleet.PhaseServing {
		return nil
	}
	return &fleet.Seed{Master: rec.Decision.Master, Probe: rec.Probe, Fresh: rec.Fresh, Written: rec.Written}
}

func add(goals map[string]*fleet.Goal, node string, inst fleet.InstanceGoal) {
	if goals[node] == nil {
		goals[node] = &fleet.Goal{Node: node}
	}
	goals[node].Instances = append(goals[node].Instances, inst)
}

// members resolves nodes to their addresses.
func members(w fleet.World, g fleet.GroupSpec, names []string, port int) ([]fleet.Member, bool) {
	out := make([]fleet.Member, 0, len(names))
	for _, n := range names {
		host := hostOf(w, g, n)
		if host == "" {
			return nil, false
		}
		out = append(out, fleet.Member{Node: n, Addr: fleet.Addr{Host: host, Port: port}})
	}
	return out, true
}

// keepGroup carries a group's instances over from the goals that stand.
func keepGroup(goals map[string]*fleet.Goal, w fleet.World, group string) {
	for _, node := range nodes(w.Goals) {
		for _, inst := range w.Goals[node].Instances {
			if inst.Group == group {
				add(goals, node, inst)
			}
		}
	}
}

// keepOthers carries over every group that goals ask for and the spec does not
// name: leaving it out of a node's goal would leave its servers to nobody.
func keepOthers(goals map[string]*fleet.Goal, w fleet.World, spec fleet.Spec) {
	others := map[string]bool{}
	for _, goal := range w.Goals {
		for _, inst := range goal.Instances {
			if _, named := spec.Group(inst.Group); !named {
				others[inst.Group] = true
			}
		}
	}
	for _, group := range nodes(others) {
		rec, ok := w.Groups[group]
		if !ok || !addGroup(goals, w, AsMade(w, fleet.GroupSpec{Name: group}, rec), rec) {
			keepGroup(goals, w, group)
		}
	}
}

// changed gives the goals that differ from those that stand, with one new
// epoch above every epoch ever seen. A goal whose plan was never committed, and
// one that its node's report is ahead of (Consul was restored from an older
// snapshot), is written anew; nodes that tell of it later get theirs later.
func changed(w fleet.World, fleetID string, goals map[string]*fleet.Goal) ([]fleet.Goal, uint64) {
	committed, highest := epochs(w)
	var out []fleet.Goal
	for _, node := range nodes(goals) {
		next := *goals[node]
		next.Format, next.FleetID = fleet.Format, fleetID
		old, ok := w.Goals[node]
		next.Epoch = old.Epoch
		overtaken := w.Reports[node].Report.Epoch > min(old.Epoch, committed)
		if ok && old.Epoch <= committed && !overtaken && same(old, next) {
			continue
		}
		next.Epoch = highest + 1
		out = append(out, next)
	}
	if len(out) == 0 {
		return nil, 0
	}
	return out, highest + 1
}

func epochs(w fleet.World) (committed, highest uint64) {
	if w.Control != nil {
		committed = w.Control.Committed
	}
	highest = max(committed, w.Highest)
	for _, g := range w.Goals {
		highest = max(highest, g.Epoch)
	}
	for _, r := range w.Reports {
		highest = max(highest, r.Report.Epoch)
	}
	return committed, highest
}

// same compares two goals as they stand in Consul.
func same(a, b fleet.Goal) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
