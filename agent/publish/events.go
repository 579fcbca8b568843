package publish

import (
	"context"

	"github.com/oklog/ulid/v2"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// writeEvents records what waits; it is taken back where Consul does not answer.
func (p *Publisher) writeEvents(ctx context.Context) error {
	p.mu.Lock()
	events := p.events
	p.events = nil
	p.mu.Unlock()
	if len(events) == 0 {
		return nil
	}
	err := p.recordEvents(ctx, events)
	if err != nil {
		p.mu.Lock()
		p.events = append(events, p.events...)
		p.mu.Unlock()
	}
	return err
}

func (p *Publisher) recordEvents(ctx context.Context, events []fleet.Event) error {
	var ops []consul.Op
	for _, e := range events {
		b, err := records.Encode(e)
		if err != nil {
			return err
		}
		id, err := ulid.New(ulid.Timestamp(p.Now()), p.names)
		if err != nil {
			return err
		}
		ops = append(ops, consul.Create(p.Keys.Event(id.String()), b))
	}
	return p.Effects.Do(ctx, LabelEvents, func(ctx context.Context) error {
		_, err := p.Client.Txn(ctx, ops...)
		return err
	})
}
