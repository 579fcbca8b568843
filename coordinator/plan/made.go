package plan

import (
	"cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

// AsMade gives a group that has a record as it was made: by the goals that stand,
// and by the spec only what they do not say. A spec that was changed since, past
// `redfleet apply`, therefore moves no port, drops no instance and changes no
// quorum of a group that runs (promises one-at-a-time and sentinel-owns-master).
// Who its members are says the record, where they were ever changed.
func AsMade(w fleet.World, g fleet.GroupSpec, rec fleet.Group) fleet.GroupSpec {
	return withMembers(standingSpec(w, g, rec), rec.Members)
}

func standingSpec(w fleet.World, g fleet.GroupSpec, rec fleet.Group) fleet.GroupSpec {
	inst := Standing(w, rec)
	if inst == nil {
		return g
	}
	g.Topology, g.Service = inst.Topology, inst.Service
	if g.Topology == fleet.Replication {
		g.Sentinel, g.OnCrash = fleet.SentinelSpec{}, ""
	}
	if inst.Engine != "" {
		g.Engine = inst.Engine
	}
	if inst.Kind == fleet.KindRedis {
		// What the durability added is in it already.
		g.Config, g.Durability, g.MaxLag = inst.Config, fleet.Fast, 0
	}
	g.Nodes, g.Port = membersOf(inst.Servers, g.Nodes, g.Port)
	g.Sentinel.Nodes, g.Sentinel.Port = membersOf(inst.Sentinels, g.Sentinel.Nodes, g.Sentinel.Port)
	if m := inst.Monitor; m != nil {
		g.Sentinel.MasterName, g.Sentinel.Quorum, g.Sentinel.Announce = m.MasterName, m.Quorum, m.Announce
		g.Sentinel.DownAfter, g.Sentinel.FailoverTimeout = m.DownAfter, m.FailoverTimeout
		g.Sentinel.ParallelSyncs, g.Sentinel.Open = m.ParallelSyncs, m.Open
		g.OnCrash = cmp.Or(m.OnCrash, fleet.OnCrashFailover)
	}
	return g
}

// Standing is the instance goal by which AsMade goes; nil when no goal has one. Each
// names the whole group. A committed goal comes before one that is not, then a
// server's, which has the settings too, then the higher epoch.
func Standing(w fleet.World, rec fleet.Group) *fleet.InstanceGoal {
	committed, _ := epochs(w)
	var best *fleet.InstanceGoal
	var of fleet.Goal
	for _, node := range nodes(w.Goals) {
		goal := w.Goals[node]
		for i := range goal.Instances {
			inst := &goal.Instances[i]
			if inst.GroupID != rec.ID || inst.Group != rec.Name || len(inst.Servers) == 0 || inst.Assigned != fleet.Running {
				continue
			}
			if best == nil || cmp.Or(
				prefer(goal.Epoch <= committed, of.Epoch <= committed),
				prefer(inst.Kind == fleet.KindRedis, best.Kind == fleet.KindRedis),
				cmp.Compare(goal.Epoch, of.Epoch)) > 0 {
				best, of = inst, goal
			}
		}
	}
	return best
}

// prefer compares: true is more than false.
func prefer(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// membersOf gives the nodes and the port of a list, or what else when it is empty.
func membersOf(list []fleet.Member, elseNodes []string, elsePort int) ([]string, int) {
	if len(list) == 0 {
		return elseNodes, elsePort
	}
	out := make([]string, len(list))
	for i, m := range list {
		out[i] = m.Node
	}
	return out, list[0].Addr.Port
}
