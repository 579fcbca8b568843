package agent

import (
	"context"
	"fmt"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/internal/fleet"
)

// do carries one step out and notes replies that hold for the running process.
func (a *agent) do(ctx context.Context, s converge.Step) error {
	g, ok := a.instance(s.Instance)
	if !ok {
		return nil
	}
	password, err := a.password(ctx, g)
	if err != nil {
		return err
	}
	t := apply.Target{Goal: g, Password: password}
	t.Redis, t.Sentinel = a.observer.Connections(g.ID)
	switch s.Kind {
	case converge.StartRedis, converge.StartSentinel, converge.RaisePriority, converge.EnableAOF, converge.EndStranded, converge.Retire, converge.SetQuorum,
		converge.Forget, converge.GiveWay, converge.Move, converge.MaskOrigin:
		a.log.WithField("instance", s.Instance).Infof("%s: %s", s.Kind, s.Reason)
	}
	err = unwritable(a.applier.Do(ctx, s, t), a.cfg.DataDir)
	if err == nil && s.Fenced && !a.applier.UnitsFence { // else it was systemd, see tellHeld
		a.pub.Tell(fleet.Event{Group: g.Group, What: started(g, s), Why: s.Reason})
	}
	a.tellMembers(g, s, err)
	if err == nil && s.Kind == converge.MaskOrigin {
		a.pub.Tell(fleet.Event{Group: g.Group, What: fmt.Sprintf("%s on %s has moved from %s to redfleet's own unit", g.ID, a.cfg.Node, g.Adopted.Unit),
			Why: "it was restarted after the adoption; " + g.Adopted.Unit + " is masked"})
	}
	switch s.Kind {
	case converge.TryRewrite:
		a.observer.Rewrote(s.Instance, err)
		return nil // reported as a check of its own
	case converge.TryWrite:
		a.observer.TriedWrite(s.Instance, err == nil)
	}
	return err
}

// tellMembers records what was done to a process of a group whose members changed.
func (a *agent) tellMembers(g fleet.InstanceGoal, s converge.Step, err error) {
	what := map[converge.Kind]string{
		converge.Retire: "is stopped and stays down; its files are kept", converge.Forget: "was told to forget and to learn anew",
		converge.EndStranded: "is ended, to be started anew",
	}[s.Kind]
	if what != "" && err == nil {
		a.pub.Tell(fleet.Event{Group: g.Group, What: fmt.Sprintf("%s on %s %s", g.ID, a.cfg.Node, what), Why: s.Reason})
	}
}

func (a *agent) instance(id fleet.InstanceID) (fleet.InstanceGoal, bool) {
	for _, g := range a.goal.Instances {
		if g.ID == id {
			return g, true
		}
	}
	return fleet.InstanceGoal{}, false
}

// started words the event of an instance that ran before and runs again.
func started(g fleet.InstanceGoal, s converge.Step) string {
	switch {
	case g.Kind == fleet.KindSentinel:
		return string(g.ID) + " started again"
	case s.Follow != (fleet.Addr{}):
		return string(g.ID) + " started again as a replica of " + s.Follow.String()
	default:
		return string(g.ID) + " started again as the master"
	}
}

// tellRoles records each change of role that Sentinel, or an operator, made: it
// is the agent that sees it first, also while no coordinator leads.
func (a *agent) tellRoles(seen map[fleet.InstanceID]observe.Seen) {
	for _, g := range a.goal.Instances {
		info := seen[g.ID].Info
		if info == nil || info.Role == a.lastRole[g.ID] {
			continue
		}
		if before := a.lastRole[g.ID]; before != "" {
			a.pub.Tell(fleet.Event{Group: g.Group, What: fmt.Sprintf("%s on %s is %s, was %s", g.ID, a.cfg.Node, info.Role, before),
				Why: "the server's ROLE changed; redfleet does not choose roles of a group that serves"})
		}
		a.lastRole[g.ID] = info.Role
	}
}

// tellHeld records, once for each reason, why an instance that ran stays down.
func (a *agent) tellHeld(seen map[fleet.InstanceID]observe.Seen, reasons map[fleet.InstanceID]string) {
	for _, g := range a.goal.Instances {
		s, why := seen[g.ID], reasons[g.ID]
		if s.Facts.Unit.State == "" {
			continue // its supervisor could not be asked
		}
		if s.Facts.Unit.State == fleet.UnitActive || !s.Facts.Memory.Started {
			why = ""
		}
		if why == a.held[g.ID] {
			continue
		}
		if a.applier.UnitsFence && s.Facts.Unit.State == fleet.UnitActive {
			a.pub.Tell(fleet.Event{Group: g.Group, What: string(g.ID) + " runs again", Why: "systemd started it; the boot fence let it"})
		}
		a.held[g.ID] = why
		if why != "" {
			what := string(g.ID) + " is down"
			if exit := s.Facts.Unit.Exit; exit != "" {
				what += " (" + exit + ")"
			}
			a.pub.Tell(fleet.Event{Group: g.Group, What: what, Why: why})
		}
	}
}
