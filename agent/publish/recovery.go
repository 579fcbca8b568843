package publish

import (
	"context"
	"errors"
	"reflect"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// Offer hands over what the agent keeps for a Consul that has lost its records;
// nil when there is nothing to offer (any more). It is written with the next report,
// and once; what was offered is removed by the coordinator, when control is back.
func (p *Publisher) Offer(r *fleet.Recovery) {
	p.mu.Lock()
	known := reflect.DeepEqual(p.recovery, r)
	p.recovery = r
	p.mu.Unlock()
	if !known {
		p.wakeUp()
	}
}

// writeRecovery writes it under the session that guards the node's name, while there
// is no control record. It looks right before: Consul would look within the
// transaction only for who may write that record. What comes too late all the same
// the coordinator removes.
func (p *Publisher) writeRecovery(ctx context.Context, r *fleet.Recovery) error {
	if r == nil {
		p.offered = nil
		return nil
	}
	if reflect.DeepEqual(p.offered, r) {
		return nil
	}
	value, err := records.Encode(r)
	if err != nil {
		return err
	}
	if _, back, err := p.Client.Get(ctx, p.Keys.Control()); err != nil || back {
		return err // it is back: the watch will say so
	}
	err = p.Effects.Do(ctx, LabelRecovery, func(ctx context.Context) error {
		_, err := p.Client.Txn(ctx, consul.CheckSession(p.Keys.Report(p.Node), p.session),
			consul.Set(p.Keys.Recovery(p.Node), value))
		return err
	})
	if errors.Is(err, consul.ErrConflict) { // the report's key went with the rest: the session no longer holds it
		p.forgetSession()
	}
	if err == nil {
		p.offered = r
	}
	return err
}
