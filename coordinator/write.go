package coordinator

import (
	"context"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
)

const (
	// goalsPerTxn keeps a transaction below Consul's 128 operations (K3), with
	// room for the check of the lease, the groups and the commit record.
	goalsPerTxn = 64
	// keepEvents bounds the history.
	keepEvents = 300
)

// write carries a plan out: decisions first, then goals in batches, and last
// the commit record, with which the goals count. Cut anywhere, the next leader
// finds decisions as they are and overtakes goals that were not committed.
func (t *term) write(ctx context.Context, w fleet.World, p plan.Plan) error {
	if p.Empty() {
		return nil
	}
	if len(p.Create) > 0 || p.FleetID != "" {
		if err := t.writeDecision(ctx, w, p); err != nil {
			return err
		}
	}
	goals := p.Goals
	for len(goals) > goalsPerTxn {
		if err := t.writeGoals(ctx, goals[:goalsPerTxn]); err != nil {
			return err
		}
		goals = goals[goalsPerTxn:]
	}
	return t.commit(ctx, w, p, goals)
}

// writeDecision records elections: each group create-only, with its secret, so
// that there is never one without the other (promise one-election, hazard K7).
func (t *term) writeDecision(ctx context.Context, w fleet.World, p plan.Plan) error {
	var ops []consul.Op
	if p.FleetID != "" {
		b, err := records.Encode(fleet.Control{Format: fleet.Format, FleetID: p.FleetID})
		if err != nil {
			return err
		}
		ops = append(ops, consul.Create(t.keys.Control(), b))
	}
	for _, g := range p.Create {
		b, err := records.Encode(g)
		if err != nil {
			return err
		}
		sealed, err := t.newSecret(w, g)
		if err != nil {
			return err
		}
		ops = append(ops, consul.Create(t.keys.Group(g.Name), b), consul.Create(t.keys.Secret(g.Name), sealed))
	}
	return t.effects.Do(ctx, LabelDecision, func(ctx context.Context) error { return t.txn(ctx, ops) })
}

// newSecret gives the sealed password of a new group: the operator's, or a
// generated one.
func (t *term) newSecret(w fleet.World, g fleet.Group) ([]byte, error) {
	rec := fleet.Secret{
		Format: fleet.Format, Group: g.Name, GroupID: g.ID, Version: g.CredentialsVersion, Recipient: t.key.Recipient(),
	}
	if given := w.Spec.Passwords[g.Name]; given != "" {
		if _, err := t.key.Open(given, t.key.Recipient()); err != nil {
			return nil, fmt.Errorf("the password that was applied for group %s: %w", g.Name, err)
		}
		rec.Sealed = given
		return records.Encode(rec)
	}
	password, err := secret.GeneratePassword(t.random)
	if err != nil {
		return nil, err
	}
	if rec.Sealed, err = secret.Seal(rec.Recipient, password); err != nil {
		return nil, err
	}
	return records.Encode(rec)
}

func (t *term) writeGoals(ctx context.Context, goals []fleet.Goal) error {
	ops, err := t.goalOps(goals)
	if err != nil {
		return err
	}
	return t.effects.Do(ctx, LabelGoals, func(ctx context.Context) error { return t.txn(ctx, ops) })
}

func (t *term) goalOps(goals []fleet.Goal) ([]consul.Op, error) {
	var ops []consul.Op
	for _, g := range goals {
		b, err := records.Encode(g)
		if err != nil {
			return nil, err
		}
		ops = append(ops, consul.Set(t.keys.Goal(g.Node), b))
	}
	return ops, nil
}

// commit writes the last goals, the groups' new phases and the commit record.
func (t *term) commit(ctx context.Context, w fleet.World, p plan.Plan, goals []fleet.Goal) error {
	ops, err := t.goalOps(goals)
	if err != nil {
		return err
	}
	for _, g := range p.Update {
		b, err := records.Encode(g)
		if err != nil {
			return err
		}
		ops = append(ops, consul.Set(t.keys.Group(g.Name), b))
	}
	if len(p.Goals) > 0 {
		control := fleet.Control{Format: fleet.Format, FleetID: p.FleetID, Committed: p.Epoch}
		if w.Control != nil {
			control.FleetID = w.Control.FleetID
		}
		b, err := records.Encode(control)
		if err != nil {
			return err
		}
		ops = append(ops, consul.Set(t.keys.Control(), b))
	}
	return t.effects.Do(ctx, LabelCommit, func(ctx context.Context) error { return t.txn(ctx, ops) })
}

// record writes events.
func (t *term) record(ctx context.Context, events []fleet.Event) error {
	if len(events) == 0 {
		return nil
	}
	var ops []consul.Op
	for _, e := range events {
		t.log.WithField("group", e.Group).Infof("%s: %s", e.What, e.Why)
		e.Who = t.name
		b, err := records.Encode(e)
		if err != nil {
			return err
		}
		ops = append(ops, consul.Create(t.keys.Event(ulid.Make().String()), b))
	}
	return t.effects.Do(ctx, LabelEvents, func(ctx context.Context) error { return t.txn(ctx, ops) })
}

// prune drops the oldest events above the bound, whoever wrote them. It goes by
// what is there, so that a prune that was cut is made up for.
func (t *term) prune(ctx context.Context, entries []consul.Entry) error {
	var keys []string
	for _, e := range entries {
		if strings.HasPrefix(e.Key, t.keys.Events()) {
			keys = append(keys, e.Key)
		}
	}
	if len(keys) <= keepEvents {
		return nil
	}
	old := keys[:min(len(keys)-keepEvents, goalsPerTxn)]
	var ops []consul.Op
	for _, k := range old {
		ops = append(ops, consul.Delete(k))
	}
	return t.effects.Do(ctx, LabelPrune, func(ctx context.Context) error { return t.txn(ctx, ops) })
}

// txn writes ops with the check of the lease in the same transaction. The
// promise fenced-leader rests on every write of a coordinator going through it.
func (t *term) txn(ctx context.Context, ops []consul.Op) error {
	results, err := t.held.Txn(ctx, ops...)
	if err != nil {
		return err
	}
	for _, e := range results {
		if e.Index > t.written {
			t.written, t.wroteAt = e.Index, t.now()
		}
	}
	return nil
}

// makeKeys makes the goal of each node that reports and has none yet, empty: a
// watch on a missing key would wake with every write to Consul (hazard K4).
func (t *term) makeKeys(ctx context.Context, entries []consul.Entry, w fleet.World, p plan.Plan) error {
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Key] = true
	}
	for _, g := range p.Goals {
		there[t.keys.Goal(g.Node)] = true
	}
	var ops []consul.Op
	for node := range w.Reports {
		if key := t.keys.Goal(node); !there[key] && len(ops) < goalsPerTxn {
			ops = append(ops, consul.Create(key, nil))
		}
	}
	if len(ops) == 0 || w.Control == nil {
		return nil
	}
	return t.effects.Do(ctx, LabelKeys, func(ctx context.Context) error { return t.txn(ctx, ops) })
}
