package converge

import (
	"fmt"

	"github.com/redfleet/redfleet/internal/fleet"
)

// StateOf derives the state of an instance from the facts. Running is the
// guarantee that the process answers with the group's password; a process that
// is there and does not answer yet counts as held.
func StateOf(kind fleet.Kind, in Instance) fleet.State {
	switch {
	case in.Unit.State == fleet.UnitActive && answers(kind, in):
		return fleet.Running
	case in.Unit.State == fleet.UnitActive:
		return fleet.Held
	case in.Identity == "":
		return fleet.Absent
	case !in.Memory.Started:
		return fleet.Prepared
	default:
		return fleet.Held
	}
}

func answers(kind fleet.Kind, in Instance) bool {
	if kind == fleet.KindSentinel {
		return in.Sentinel != nil
	}
	return in.Redis != nil && !in.Redis.Loading
}

// Plan decides the next steps towards the goal. It never answers with a step
// that stops or reconfigures a process that runs, but for the probe key, CONFIG
// REWRITE, a raise of replica-priority, AOF after a start from a snapshot, the end of
// a replica that serves nobody any more (Stranded), and what an operator's change of
// the group's members asks for by name in the goal (promise fail-static).
func Plan(goal fleet.Goal, f Facts) Outcome {
	out := Outcome{Reasons: map[fleet.InstanceID]string{}, Rules: map[fleet.InstanceID]string{}}
	for i := range goal.Instances {
		g := &goal.Instances[i]
		in, ok := f.Instances[g.ID]
		if !ok {
			continue
		}
		steps, why := planInstance(g, in, f)
		out.Steps = append(out.Steps, steps...)
		if why.reason != "" {
			out.Reasons[g.ID] = why.reason
		}
		if why.rule != "" {
			out.Rules[g.ID] = why.rule
		}
	}
	return out
}

// why is the reason of what was decided on one instance, with the fence's rule
// where the fence gave it.
type why struct{ rule, reason string }

func planInstance(g *fleet.InstanceGoal, in Instance, f Facts) ([]Step, why) {
	if reason := refuse(g, in); reason != "" {
		return nil, why{reason: reason}
	}
	if g.Adopted != nil && !in.Memory.Moved {
		return adopted(g, in)
	}
	if g.Assigned == fleet.Running && in.Unit.State == fleet.UnitActive && !answers(g.Kind, in) {
		return nil, why{reason: "the process runs and does not answer yet"}
	}
	row, err := fleet.TransitionFor(StateOf(g.Kind, in), g.Assigned)
	if err != nil {
		return nil, why{reason: err.Error()}
	}
	switch row.Step {
	case fleet.StepRetire:
		return retire(g, in, row), why{}
	case fleet.StepKeep:
		return append(maskOrigin(g, in), keep(g, in, f)...), why{}
	case fleet.StepInstall:
		return []Step{{Kind: Install, Instance: g.ID, Reason: row.Reason}}, why{reason: row.Reason}
	default:
		steps, reason := starting(withoutOldSeed(g, in), in, f, row)
		if in.Unit.State == fleet.UnitActivating && len(steps) > 0 {
			// Systemd is at it, and its boot fence decides by the same rule.
			return nil, why{reason.rule, "systemd is starting it: " + reason.reason}
		}
		return steps, reason
	}
}

// withoutOldSeed takes the seed from the goal of an instance whose group served
// before: from then on the sentinels alone decide (promise sentinel-owns-master).
func withoutOldSeed(g *fleet.InstanceGoal, in Instance) *fleet.InstanceGoal {
	if g.Seed == nil || !in.Memory.Served {
		return g
	}
	later := *g
	later.Seed = nil
	return &later
}

// refuse names what forbids any step on this instance.
func refuse(g *fleet.InstanceGoal, in Instance) string {
	switch {
	case in.Problem != "":
		return in.Problem
	case in.Identity != "" && in.Identity != g.GroupID:
		return fmt.Sprintf("the folder of %s belongs to group %s, the goal to group %s (%s): "+
			"this disk comes from another group, or Consul from another fleet; move the folder away or bring the right Consul back",
			g.ID, in.Identity, g.GroupID, g.Group)
	}
	return ""
}

func starting(g *fleet.InstanceGoal, in Instance, f Facts, row fleet.Transition) ([]Step, why) {
	if in.PortOwner != "" {
		return nil, why{"port-in-use", fmt.Sprintf("port %d is in use by %s; stop it or give the group another port", g.Addr.Port, in.PortOwner)}
	}
	if g.Kind == fleet.KindSentinel {
		return startSentinel(g, in, f, row)
	}
	return startRedis(g, in, f, row)
}
