package publish

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
)

// lockDelay of the agent's session: the shortest, since the session guards a
// name and no decision.
const lockDelay = 1

// Service is one instance's entry in Consul.
type Service struct {
	consul.Service
	// Serves: it answers as what its tags say. An instance that does not serve
	// is not registered for the first time; one that is registered loses its tags
	// at once.
	Serves bool
}

// writeServices registers what changed, each time with another Renewed, so that the
// catalog has the check's status with the tags. What was registered before Consul was
// last out is registered again: a Consul agent that starts anew takes every check for
// critical, and may keep to itself for 15 to 30 s that it is not (K10). Every few
// minutes it also compares with what the Consul agent knows, in case that one lost its
// state.
func (p *Publisher) writeServices(ctx context.Context, want []Service) error {
	if p.registered == nil || p.Now().Sub(p.compared) >= compareEvery {
		if err := p.compare(ctx); err != nil {
			return err
		}
	}
	keep := map[string]bool{}
	for _, s := range want {
		keep[s.ID] = true
		old, known := p.registered[s.ID]
		if known && !old.Renewed.Before(p.renewed) && sameService(old, s.Service) || !known && !s.Serves {
			continue
		}
		s.Renewed = p.Now()
		err := p.Effects.Do(ctx, LabelRegister, func(ctx context.Context) error { return p.Client.Register(ctx, s.Service) })
		if err != nil {
			return err
		}
		p.registered[s.ID] = s.Service
	}
	for _, id := range slices.Sorted(maps.Keys(p.registered)) {
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

// sameService compares all but the time.
func sameService(a, b consul.Service) bool {
	a.Renewed, b.Renewed = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

// compare takes over what the Consul agent knows of this node: what it forgot
// is registered again, what an earlier run of this agent left is corrected.
func (p *Publisher) compare(ctx context.Context) error {
	known, err := p.Client.AgentServices(ctx)
	if err != nil {
		return err
	}
	now := map[string]consul.Service{}
	for id, s := range known {
		if s.Meta["fleet"] != p.Fleet || s.Meta["node"] != p.Node {
			continue
		}
		now[id] = s
		if mine, ok := p.registered[id]; ok && slices.Equal(mine.Tags, s.Tags) {
			now[id] = mine
		}
	}
	p.registered, p.compared = now, p.Now()
	return nil
}
