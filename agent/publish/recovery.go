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

// writeRecovery writes it under the session that guards the node's name, and only
// while there is no control record: the transaction itself looks, so that an agent
// that heard late litters no Consul that is whole (hazard K5).
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
	err = p.Effects.Do(ctx, LabelRecovery, func(ctx context.Context) error {
		_, err := p.Client.Txn(ctx, consul.CheckSession(p.Keys.Report(p.Node), p.session),
			consul.CheckMissing(p.Keys.Control()), consul.Set(p.Keys.Recovery(p.Node), value))
		return err
	})
	conflict := (*consul.ConflictError)(nil)
	switch {
	case err == nil:
		p.offered = r
	case errors.As(err, &conflict) && conflict.Op.Key() == p.Keys.Control():
		return nil // it is back: the watch will say so
	case conflict != nil: // the report's key went with the rest, and the session does not hold it any more
		p.forgetSession()
	}
	return err
}
