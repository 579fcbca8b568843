package publish

import (
	"context"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/consul"
)

// lockDelay of the agent's session: the shortest, since the session guards a
// name and no decision.
const lockDelay = 1

// writeServices registers what changed. Every few minutes it also compares with
// what the Consul agent knows, in case that one lost its state.
func (p *Publisher) writeServices(ctx context.Context, want []consul.Service) error {
	if p.registered == nil || p.Now().Sub(p.compared) >= compareEvery {
		if err := p.compare(ctx); err != nil {
			return err
		}
	}
	keep := map[string]bool{}
	for _, s := range want {
		keep[s.ID] = true
		if old, ok := p.registered[s.ID]; ok && cmp.Equal(old, s) {
			continue
		}
		err := p.Effects.Do(ctx, LabelRegister, func(ctx context.Context) error { return p.Client.Register(ctx, s) })
		if err != nil {
			return err
		}
		p.registered[s.ID] = s
	}
	for id := range p.registered {
		if keep[id] {
			continue
		}
		err := p.Effects.Do(ctx, LabelDeregister, func(ctx context.Context) error { return p.Client.Deregister(ctx, id) })
		if err != nil {
			return err
		}
		delete(p.registered, id)
	}
	return nil
}

// compare forgets what the Consul agent no longer knows, so that it is
// registered again.
func (p *Publisher) compare(ctx context.Context) error {
	known, err := p.Client.AgentServices(ctx)
	if err != nil {
		return err
	}
	kept := map[string]consul.Service{}
	for id, s := range p.registered {
		if _, there := known[id]; there {
			kept[id] = s
		}
	}
	p.registered, p.compared = kept, p.Now()
	return nil
}
