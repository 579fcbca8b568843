package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
)

// offer is what the two watches saw last.
type offer struct {
	goal, control consul.Entry
	// controlGone: Consul answered that there is no control record. Before its
	// first answer, and while it gives none, nothing is known (hazard K5).
	controlGone bool
}

// watches runs the agent's two blocking queries and hands on what they see.
func (a *agent) watches(ctx context.Context) error {
	done := make(chan error, 2)
	go func() {
		done <- a.client.WatchKey(ctx, a.keys.Goal(a.cfg.Node), func(e consul.Entry, found bool) {
			if !found {
				a.pub.Recheck() // Consul may have lost its state, the session with it (K5)
			}
			a.offers.set(func(o *offer) { o.goal = e })
		})
	}()
	go func() {
		done <- a.client.WatchKey(ctx, a.keys.Control(), func(e consul.Entry, found bool) {
			a.offers.set(func(o *offer) { o.control, o.controlGone = e, !found })
		})
	}()
	err := <-done
	return errors.Join(err, <-done)
}

// consider takes up the goal that Consul offers, where it counts. What is
// refused leaves the last goal in force, and the reason goes into the report.
func (a *agent) consider(ctx context.Context) {
	o := a.offers.get()
	if len(o.goal.Value) == 0 || len(o.control.Value) == 0 {
		return // not written yet, or Consul is empty: the last goal goes on (K5)
	}
	goal, err := records.Decode[fleet.Goal](o.goal.Key, o.goal.Value)
	if err != nil {
		a.refuse(fmt.Sprintf("the goal in Consul is refused, the last one goes on: %v", err))
		return
	}
	control, err := records.Decode[fleet.Control](o.control.Key, o.control.Value)
	if err != nil {
		a.refuse(fmt.Sprintf("the control record in Consul is refused: %v", err))
		return
	}
	verdict, reason := state.Judge(a.cfg.Node, a.node, control, goal)
	switch verdict {
	case state.Refuse:
		a.refuse(reason)
	case state.Wait:
		a.problem = ""
	case state.Take:
		a.problem = ""
		if a.goal != nil && a.goal.Epoch == goal.Epoch && a.node.Epoch == goal.Epoch && a.node.FleetID == goal.FleetID {
			return // unless a crash came between the goal's file and the node's: then it is taken once more
		}
		if err := a.take(ctx, goal); err != nil {
			a.refuse(fmt.Sprintf("goal %d could not be kept on disk: %v", goal.Epoch, err))
		}
	}
}

func (a *agent) refuse(reason string) {
	if a.problem != reason {
		a.log.Error(reason)
	}
	a.problem = reason
}

// take keeps the goal and its epoch on disk before anything is done for it.
func (a *agent) take(ctx context.Context, goal fleet.Goal) error {
	err := a.effects.Do(ctx, LabelGoal, func(context.Context) error { return a.store.SaveGoal(goal) })
	if err != nil {
		return err
	}
	next := a.node
	next.FleetID, next.Epoch = goal.FleetID, goal.Epoch
	if err := a.keepNode(ctx, next); err != nil {
		return err
	}
	a.goal, a.expected = &goal, map[fleet.InstanceID]map[string]string{}
	a.log.WithField("epoch", goal.Epoch).Info("follows a new goal")
	return nil
}

func (a *agent) keepNode(ctx context.Context, n state.Node) error {
	if err := a.effects.Do(ctx, LabelNode, func(context.Context) error { return a.store.SaveNode(n) }); err != nil {
		return err
	}
	a.node = n
	return nil
}

// password gives the group's password at the version that the goal names. The
// sealed secret is kept on disk, so that a restart needs no Consul.
func (a *agent) password(ctx context.Context, g fleet.InstanceGoal) (secret.Password, error) {
	if p, ok := a.passwords[g.GroupID]; ok && p.version == g.SecretVersion {
		return p.password, nil
	}
	p, version, err := a.store.Password(a.key, g)
	if err == nil && version == 0 {
		var sec fleet.Secret
		if sec, err = a.fetchSecret(ctx, g); err == nil {
			p, version, err = state.OpenSecret(a.key, sec)
		}
	}
	if err != nil {
		return secret.Password{}, err
	}
	a.passwords[g.GroupID] = opened{password: p, version: version}
	return p, nil
}

func (a *agent) fetchSecret(ctx context.Context, g fleet.InstanceGoal) (fleet.Secret, error) {
	key := a.keys.Secret(g.Group)
	e, found, err := a.client.Get(ctx, key)
	if err != nil {
		return fleet.Secret{}, fmt.Errorf("the secret of group %s cannot be read: %w", g.Group, err)
	}
	if !found {
		return fleet.Secret{}, fmt.Errorf("Consul holds no secret for group %s", g.Group)
	}
	sec, err := records.Decode[fleet.Secret](key, e.Value)
	if err != nil {
		return fleet.Secret{}, err
	}
	if sec.GroupID != g.GroupID || sec.Version < g.SecretVersion {
		return fleet.Secret{}, fmt.Errorf("the secret in Consul is version %d of group %s, the goal wants version %d of %s",
			sec.Version, sec.GroupID, g.SecretVersion, g.GroupID)
	}
	return sec, a.effects.Do(ctx, LabelSecret, func(context.Context) error { return a.store.SaveSecret(sec) })
}
