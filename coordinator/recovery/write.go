package recovery

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// The labels of a recovery's effects.
const (
	LabelLock    effect.Label = "recover: hold the lock"
	LabelRecords effect.Label = "recover: write groups, secrets and goals"
	LabelCommit  effect.Label = "recover: write spec and control"
)

// Labels are all of them.
func Labels() []effect.Label { return []effect.Label{LabelLock, LabelRecords, LabelCommit} }

const (
	// lockTTL is as long as a run that was killed keeps the next one out, twice at most (hazard K1).
	lockTTL   = 10 * time.Second
	lockDelay = time.Second
	// opsPerTxn leaves room for the lock's check (hazard K3).
	opsPerTxn = 64
)

// Write writes what Look has found and the operator has seen. It looks again under
// the lock: ErrChanged where that is something else. ErrLocked where another run
// holds it. Cut anywhere, it can be run again.
func Write(ctx context.Context, o Options, shown Finding) error {
	keys := fleet.KeysOf(o.Fleet)
	if e, found, err := o.Client.Get(ctx, keys.Rebuild()); err != nil {
		return err
	} else if found && e.Session != "" {
		return fmt.Errorf("%w (%s); if it was killed, its lock ends within %s", ErrLocked, e.Value, 2*lockTTL+lockDelay)
	}
	lease := o.Client.Lease(keys.Rebuild(), o.Who, lockTTL, lockDelay)
	return o.Effects.Do(ctx, LabelLock, func(ctx context.Context) error {
		return lease.Run(ctx, func(ctx context.Context, held *consul.Held) error {
			if err := o.Effects.Reached(ctx, LabelLock); err != nil {
				return err
			}
			now, err := Look(ctx, o)
			if err != nil {
				return err
			}
			if !sameFinding(shown, now) {
				return fmt.Errorf("%w; nothing more was written: look at it again", ErrChanged)
			}
			return o.carryOut(ctx, held, now)
		})
	})
}

// sameFinding: agents may report again meanwhile, and who is master may change;
// what is written must be the same.
func sameFinding(a, b Finding) bool {
	a.Plan.Groups, b.Plan.Groups = undecided(a.Plan.Groups), undecided(b.Plan.Groups)
	return len(b.Refused) == 0 && reflect.DeepEqual(a.Plan.Control, b.Plan.Control) && reflect.DeepEqual(a.Plan.Groups, b.Plan.Groups) &&
		reflect.DeepEqual(a.Plan.Secrets, b.Plan.Secrets) && reflect.DeepEqual(a.Plan.Goals, b.Plan.Goals) && reflect.DeepEqual(a.Spec, b.Spec)
}

func undecided(groups []fleet.Group) []fleet.Group {
	groups = slices.Clone(groups)
	for i := range groups {
		groups[i].Decision, groups[i].Since = fleet.Decision{}, time.Time{}
	}
	return groups
}

// carryOut writes in batches, and control with the last one.
func (o Options) carryOut(ctx context.Context, held *consul.Held, f Finding) error {
	missing := consul.CheckMissing(fleet.KeysOf(o.Fleet).Control())
	guard, err := held.Guard()
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(f.ops, opsPerTxn) {
		for _, batch := range consul.Split(guard, chunk) {
			ops := append(batch[1:], missing)
			if err := o.do(ctx, LabelRecords, held, ops); err != nil {
				return err
			}
		}
	}
	last, err := o.commit(f)
	if err != nil {
		return err
	}
	return o.do(ctx, LabelCommit, held, append(slices.Clone(f.final), last...))
}

func (o Options) do(ctx context.Context, l effect.Label, held *consul.Held, ops []consul.Op) error {
	return o.Effects.Do(ctx, l, func(ctx context.Context) error {
		_, err := held.Txn(ctx, ops...)
		if conflict := (*consul.ConflictError)(nil); errors.As(err, &conflict) && !errors.Is(err, consul.ErrLeaseLost) {
			return fmt.Errorf("somebody else wrote %s meanwhile: %w", conflict.Op.Key(), err)
		}
		return err
	})
}

// commit makes control and the event that tells of it.
func (o Options) commit(f Finding) ([]consul.Op, error) {
	keys := fleet.KeysOf(o.Fleet)
	control, err := records.Encode(f.Plan.Control)
	if err != nil {
		return nil, err
	}
	event, err := records.Encode(fleet.Event{
		At: o.Now(), Who: o.Who, What: "the fleet's records were rebuilt",
		Why: fmt.Sprintf("Consul held none; %d agents offered what they keep, up to epoch %d", len(f.Offers), f.Plan.Control.Committed),
	})
	if err != nil {
		return nil, err
	}
	return []consul.Op{consul.Create(keys.Event(ulid.Make().String()), event), consul.Create(keys.Control(), control)}, nil
}
