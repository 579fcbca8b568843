package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
)

// opsPerTxn keeps a transaction below Consul's 128 operations, with room for
// its checks (hazard K3). Large records make smaller ones of it.
const opsPerTxn = 64

// write carries a plan out: decisions first, then goals in batches, and last
// the commit record, with which the goals count. Cut anywhere, the next leader
// finds decisions as they are and overtakes goals that were not committed.
func (t *term) write(ctx context.Context, w fleet.World, p plan.Plan) error {
	if p.Empty() {
		return nil
	}
	if err := t.writeDecisions(ctx, w, p); err != nil {
		return err
	}
	return t.writeGoals(ctx, w, p)
}

// writeDecisions records elections: each group create-only, with its secret and
// its event, so that there is never one without the other (promise one-election,
// hazard K7). Each is a transaction of its own, so that any number fits.
func (t *term) writeDecisions(ctx context.Context, w fleet.World, p plan.Plan) error {
	var ops []consul.Op
	if p.FleetID != "" {
		b, err := records.Encode(fleet.Control{Format: fleet.Format, FleetID: p.FleetID, Recipient: t.key.Recipient()})
		if err != nil {
			return err
		}
		ops = append(ops, consul.Create(t.keys.Control(), b))
	}
	for _, g := range p.Create {
		events := slices.DeleteFunc(slices.Clone(p.Events), func(e fleet.Event) bool { return e.Group != g.Name })
		decision, err := t.decisionOps(w, g, events)
		if err != nil {
			return err
		}
		if err := t.do(ctx, LabelDecision, append(ops, decision...)); err != nil {
			return err
		}
		t.tell(events)
		ops = nil
	}
	if len(ops) == 0 {
		return nil
	}
	return t.do(ctx, LabelDecision, ops)
}

func (t *term) decisionOps(w fleet.World, g fleet.Group, events []fleet.Event) ([]consul.Op, error) {
	b, err := records.Encode(g)
	if err != nil {
		return nil, err
	}
	sealed, err := t.newSecret(w, g)
	if err != nil {
		return nil, err
	}
	told, err := t.eventOps(events)
	return append(told, consul.Create(t.keys.Group(g.Name), b), consul.Create(t.keys.Secret(g.Name), sealed)), err
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

// writeGoals writes the goals, the groups' new phases, and with the last batch
// the commit record. Each batch checks that nobody committed since the records
// were read: a write whose answer was lost may have happened, and may yet happen,
// and one epoch must never stand for two plans.
func (t *term) writeGoals(ctx context.Context, w fleet.World, p plan.Plan) error {
	ops, err := t.goalOps(p)
	if err != nil {
		return err
	}
	last := consul.CheckIndex(t.keys.Control(), t.control)
	if len(p.Goals) > 0 {
		control := fleet.Control{Format: fleet.Format, FleetID: p.FleetID, Committed: p.Epoch, Recipient: t.key.Recipient()}
		if w.Control != nil {
			control.FleetID = w.Control.FleetID
			control.Recipient = cmp.Or(w.Control.Recipient, control.Recipient)
		}
		b, err := records.Encode(control)
		if err != nil {
			return err
		}
		last = consul.CAS(t.keys.Control(), b, t.control)
	}
	batches, err := t.batches(ops)
	if err != nil {
		return err
	}
	for i, batch := range batches {
		if i == len(batches)-1 {
			t.horizon.plans(p.Epoch)
			return t.do(ctx, LabelCommit, append(batch, last))
		}
		batch = append(batch, consul.CheckIndex(t.keys.Control(), t.control))
		if err := t.do(ctx, LabelGoals, batch); err != nil {
			return err
		}
	}
	return nil
}

func (t *term) goalOps(p plan.Plan) ([]consul.Op, error) {
	var ops []consul.Op
	for _, g := range p.Goals {
		b, err := records.Encode(g)
		if err != nil {
			return nil, err
		}
		ops = append(ops, consul.Set(t.keys.Goal(g.Node), b))
	}
	for _, g := range p.Update {
		b, err := records.Encode(g)
		if err != nil {
			return nil, err
		}
		ops = append(ops, consul.Set(t.keys.Group(g.Name), b))
	}
	return ops, nil
}

// batches cuts steps so that each batch fits a transaction, by number and by
// size (hazard K3).
func (t *term) batches(ops []consul.Op) ([][]consul.Op, error) {
	guard, err := t.held.Guard()
	if err != nil {
		return nil, err
	}
	var out [][]consul.Op
	for chunk := range slices.Chunk(ops, opsPerTxn) {
		for _, batch := range consul.Split(guard, chunk) {
			out = append(out, batch[1:]) // the guard is put there by the write itself
		}
	}
	return out, nil
}

// do writes ops under a label.
func (t *term) do(ctx context.Context, l effect.Label, ops []consul.Op) error {
	return t.effects.Do(ctx, l, func(ctx context.Context) error { return t.txn(ctx, ops) })
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
		if e.Key == t.keys.Control() {
			t.control = e.Index
		}
	}
	return nil
}

// makeKeys makes the goal of each node that reports and has none yet, and the claim
// of each group that has sentinels, empty: a
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
		if key := t.keys.Goal(node); !there[key] && len(ops) < opsPerTxn {
			ops = append(ops, consul.Create(key, nil))
		}
	}
	for name, g := range w.Groups {
		if key := t.keys.Claim(name); g.Topology == fleet.Sentinel && !there[key] && len(ops) < opsPerTxn {
			ops = append(ops, consul.Create(key, nil))
		}
	}
	if len(ops) == 0 || w.Control == nil || p.Halt != "" {
		return nil
	}
	return t.do(ctx, LabelKeys, ops)
}
