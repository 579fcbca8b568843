package converge

import "github.com/redfleet/redfleet/internal/fleet"

// retire stops what a node that left the group still runs, and once more keeps
// anything from starting it where it is down already: a machine that comes back
// may have started it before its agent could read the goal.
func retire(g *fleet.InstanceGoal, in Instance, row fleet.Transition) []Step {
	if Retired(g, in) {
		return nil
	}
	return []Step{{Kind: Retire, Instance: g.ID, Reason: row.Reason}}
}

// Retired: the instance's node left the group, and nothing will start it.
func Retired(g *fleet.InstanceGoal, in Instance) bool {
	if g.Assigned != fleet.Held || in.Problem != "" {
		return false
	}
	down := in.Unit.State == fleet.UnitInactive || in.Unit.State == fleet.UnitFailed
	return down && (in.Memory.Retired || !in.Memory.Started)
}

// changes are the steps on a running sentinel that a change of the members asks
// for. Redis has none of its own: a server learns its peers from its master.
func changes(g *fleet.InstanceGoal, in Instance) []Step {
	var steps []Step
	if g.Change > in.Memory.Change {
		steps = append(steps, Step{Kind: SetQuorum, Instance: g.ID, Reason: "the members of the group changed"})
	}
	if g.Forget != "" && g.Forget != in.Memory.Forgot {
		steps = append(steps, Step{Kind: Forget, Instance: g.ID, Peers: reachedPeers(g, in), Master: in.Sentinel.Master,
			Reason: "it knows instances that left the group (S5)"})
	}
	return steps
}

// reachedPeers are the members that the sentinel speaks to now. They are made
// known to it again at once, so that it is without them for milliseconds and not
// until their next hello.
func reachedPeers(g *fleet.InstanceGoal, in Instance) []fleet.Member {
	var out []fleet.Member
	for _, m := range g.Sentinels {
		if m.Addr != g.Addr && in.Sentinel.Reached[m.ID] {
			out = append(out, m)
		}
	}
	return out
}
