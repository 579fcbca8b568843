package converge

import (
	"slices"

	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Replicates: the instance is a replica of a group that serves under Sentinel. Only
// then the others are asked whether it is Stranded.
func Replicates(g *fleet.InstanceGoal, r *Redis) bool {
	return g.Assigned == fleet.Running && g.Seed == nil && g.Monitor != nil && r.Role == fleet.RoleReplica && !r.Loading
}

// Stranded: a replica follows somebody who is not the master, and no sentinel will
// ever put that right (hazard S1). Sentinels learn of a replica from its master
// alone: one whose master was replaced before any of them asked it for its replicas
// is unknown to all. Where that master comes back, as a replica, this one follows it
// again, is in step, and stays unknown.
//
// That is so where most sentinels name one other master, nobody who answered lists
// the replica, fails over or is in TILT, and that master answers as one. What the
// replica holds must not go where it may be the only copy: the master holds data, or
// the replica none (promise data-wins), and its disk takes what it has (hazard D2).
func Stranded(g *fleet.InstanceGoal, in Instance) bool {
	votes := map[fleet.Addr]int{}
	for _, v := range in.Sentinels {
		if !v.Answered {
			continue
		}
		if v.Tilt || fence.FailsOver(v) || slices.Contains(v.Replicas, g.Addr) {
			return false
		}
		votes[v.Names]++
	}
	need := fleet.Majority(len(in.Sentinels))
	return !in.Redis.DiskError && slices.ContainsFunc(in.Servers, func(s fence.ServerView) bool {
		return s.Answered && s.Role == fleet.RoleMaster && !s.Loading && (s.Keys > 0 || !in.Memory.HadData) &&
			votes[s.Addr] >= need && s.Addr != in.Redis.Master
	})
}

// endStranded ends a replica that was seen stranded for long. It is down then, and the
// next look starts it as the fence says: a replica of the master that the sentinels
// name, which tells them of it. redfleet sends no REPLICAOF, so that every role is
// written in one place (promise sentinel-owns-master).
func endStranded(g *fleet.InstanceGoal, r *Redis) []Step {
	if !r.Stranded {
		return nil
	}
	return []Step{{Kind: EndStranded, Instance: g.ID, Reason: "it follows " + r.Master.String() +
		", which is not the master, and no sentinel knows of it (S1): it is started anew as the sentinels say"}}
}
