package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// writeReport writes the report where it changed or its sign of life is due.
// The first write of a session acquires the key, the later ones are guarded by
// the session and by the index of the write before, so that a second agent,
// even a clone with the same session, is found out.
func (p *Publisher) writeReport(ctx context.Context, r fleet.Report) error {
	if p.written != nil && sameReport(*p.written, r) && p.Now().Sub(p.written.At) < signEvery {
		return nil
	}
	r.At = p.Now()
	value, err := records.Encode(r)
	if err != nil {
		return err
	}
	key := p.Keys.Report(p.Node)
	if p.session == "" || p.index == 0 {
		return p.acquire(ctx, key, value, r)
	}
	err = p.Effects.Do(ctx, LabelReport, func(ctx context.Context) error {
		results, err := p.Client.Txn(ctx, consul.CheckSession(key, p.session), consul.CAS(key, value, p.index))
		if err != nil {
			return err
		}
		p.took(results, r)
		return nil
	})
	if errors.Is(err, consul.ErrConflict) {
		return p.resolve(ctx, key)
	}
	return err
}

func (p *Publisher) took(results []consul.Entry, r fleet.Report) {
	for _, e := range results {
		p.index = max(p.index, e.Index)
	}
	p.written = &r
}

// resolve finds out who wrote the report since our last write.
func (p *Publisher) resolve(ctx context.Context, key string) error {
	e, found, err := p.Client.Get(ctx, key)
	if err != nil {
		return err
	}
	if !found || e.Session != p.session {
		p.forgetSession()
		return errors.New("the node's session was lost; a new one is made")
	}
	other, err := records.Decode[fleet.Report](key, e.Value)
	// At our own address, whose port is ours, it can only be an earlier life of this
	// agent: a write that was on its way, or a Consul that was restored.
	if err == nil && other.Boot != p.Boot && other.Address != p.Address {
		return p.taken(other)
	}
	p.index = e.Index
	return errors.New("the report was written with an answer that got lost, or by hand; it is written again")
}

// acquire takes the report's key for this agent's session.
func (p *Publisher) acquire(ctx context.Context, key string, value []byte, r fleet.Report) error {
	if err := p.ensureSession(ctx); err != nil {
		return err
	}
	holder, found, err := p.Client.Get(ctx, key)
	if err != nil {
		return err
	}
	if found && holder.Session != "" && holder.Session != p.session {
		if err := p.takeOver(ctx, key, holder); err != nil {
			return err
		}
	}
	if found && holder.Session == p.session {
		if err := p.checkOwn(key, holder); err != nil {
			return err
		}
	}
	err = p.Effects.Do(ctx, LabelReport, func(ctx context.Context) error {
		results, err := p.Client.Txn(ctx, consul.Lock(key, value, p.session))
		if err != nil {
			return err
		}
		p.took(results, r)
		return nil
	})
	if errors.Is(err, consul.ErrConflict) {
		return fmt.Errorf("the report's key is held or in its lock-delay: %w", err)
	}
	return err
}

// checkOwn: the session on our disk holds the key; a clone of this machine has
// the same session, and another address (hazard M4).
func (p *Publisher) checkOwn(key string, holder consul.Entry) error {
	other, err := records.Decode[fleet.Report](key, holder.Value)
	if err == nil && other.Boot != p.Boot && other.Address != p.Address {
		return p.taken(other)
	}
	return nil
}

// takeOver ends the session of an earlier run of this very agent: it reported
// from the same address, whose port this agent now holds. Any other holder
// keeps the name.
func (p *Publisher) takeOver(ctx context.Context, key string, holder consul.Entry) error {
	other, err := records.Decode[fleet.Report](key, holder.Value)
	if err != nil {
		return fmt.Errorf("%w: its report is held by session %s and cannot be read: %w", ErrNameTaken, holder.Session, err)
	}
	if other.Address != p.Address {
		return p.taken(other)
	}
	return p.Effects.Do(ctx, LabelTakeOver, func(ctx context.Context) error {
		return p.Client.DestroySession(ctx, holder.Session)
	})
}

func (p *Publisher) ensureSession(ctx context.Context) error {
	if p.session != "" {
		err := p.Client.RenewSession(ctx, p.session)
		if err == nil {
			return nil
		}
		if !errors.Is(err, consul.ErrSessionGone) {
			return err
		}
		p.forgetSession()
	}
	return p.Effects.Do(ctx, LabelSession, func(ctx context.Context) error {
		id, err := p.Client.CreateSession(ctx, "redfleet agent "+p.Node, sessionTTL, lockDelay)
		if err != nil {
			return err
		}
		p.setSession(id)
		return p.Keep(id)
	})
}
