package converge

import (
	"maps"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// keep gives the small steps on an instance that runs.
func keep(g *fleet.InstanceGoal, in Instance, f Facts) []Step {
	if g.Assigned != fleet.Running {
		return nil
	}
	if g.Kind == fleet.KindSentinel {
		return append(introduce(g, in), changes(g, in)...)
	}
	r := in.Redis
	var steps []Step
	add := func(k Kind, reason string) {
		steps = append(steps, Step{Kind: k, Instance: g.ID, Reason: reason})
	}
	if r.RewriteDue {
		add(TryRewrite, "Sentinel relies on CONFIG REWRITE and discards its reply (S15)")
	}
	if wantsAOF(g) && !r.AOF && in.Disk.SnapshotOnly {
		add(EnableAOF, "the snapshot is loaded")
	}
	switch {
	case !in.Memory.RaisePriority || r.Loading:
	case r.Role == fleet.RoleMaster:
		add(RaisePriority, "it is the master now, and has nothing to catch up with")
	case r.LinkUp && r.CaughtUp:
		add(RaisePriority, "the replica has caught up")
	}
	return slices.Concat(steps, probe(g, r), endStranded(g, r))
}

// wantsAOF: AOF is on unless the spec turns it off.
func wantsAOF(g *fleet.InstanceGoal) bool {
	v := g.Config["appendonly"]
	return len(v) == 0 || v[0] == "yes"
}

func probe(g *fleet.InstanceGoal, r *Redis) []Step {
	step := func(k Kind, reason string) []Step { return []Step{{Kind: k, Instance: g.ID, Reason: reason}} }
	switch {
	case g.Seed == nil && r.Role == fleet.RoleMaster && r.ProbeSeen != "" && !r.RefusesWrites:
		return step(ClearProbe, "the group serves")
	case g.Seed == nil:
		return nil
	case r.Role == fleet.RoleMaster && r.RefusesWrites:
		return nil // until a replica is there, see fleet.Bounded
	case r.Role == fleet.RoleMaster && r.ProbeSeen != g.Seed.Probe:
		return step(WriteProbe, "the group forms")
	case r.Role == fleet.RoleReplica && r.LinkUp && !r.WriteTried:
		return step(TryWrite, "the group forms")
	}
	return nil
}

// introduce tells a sentinel of the peers that listen: that of a forming group, so
// that it need not wait for their hello, and so that it never meets a refused
// connection, which it would try again only after a second (hazard S1); and one that
// is alone. Sentinels meet through their master: one that began to watch a master
// which then ended for good would watch that one for ever, and no peer would know of
// it. From a peer it learns the master that replaced it, by the higher epoch.
func introduce(g *fleet.InstanceGoal, in Instance) []Step {
	master := in.Sentinel.Master
	if g.Seed != nil {
		master = g.Seed.Master
	}
	if !Strangers(g, in.Sentinel) || master == (fleet.Addr{}) {
		return nil
	}
	var steps []Step
	for _, m := range g.Sentinels {
		if m.Addr != g.Addr && !in.Sentinel.Peers[m.ID] && in.Listening[m.Addr] {
			steps = append(steps, Step{Kind: Introduce, Instance: g.ID, Peer: m, Master: master, Reason: m.Node + " listens"})
		}
	}
	return steps
}

// Strangers: there are sentinels of the group that a running one is to be introduced
// to as soon as they listen. In a group that serves that is one which speaks to no
// other sentinel at all; whoever speaks to one hears of the rest.
func Strangers(g *fleet.InstanceGoal, s *Sentinel) bool {
	if g.Seed == nil && slices.Contains(slices.Collect(maps.Values(s.Reached)), true) {
		return false
	}
	return slices.ContainsFunc(g.Sentinels, func(m fleet.Member) bool { return m.Addr != g.Addr && !s.Peers[m.ID] })
}
