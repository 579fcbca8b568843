package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// ErrNoClaim: the claim on a group was not to be had, so nobody may be asked for a
// failover (hazard S18).
var ErrNoClaim = errors.New("the claim on the group was not to be had")

// Claim takes the claim on a whole group for this node's session, in one transaction
// with the check that the session still guards the node's name. While another
// session holds it, and wherever Consul does not say yes, it is ErrNoClaim; a claim
// whose answer was lost may have been taken, and is given up later.
//
// It ends with Release, or with the session: 2 to 4 minutes after the agent's end.
func (p *Publisher) Claim(ctx context.Context, c fleet.Claim) error {
	session := p.Session()
	if session == "" {
		return fmt.Errorf("%w: this node has no session in Consul", ErrNoClaim)
	}
	value, err := records.Encode(c)
	if err != nil {
		return err
	}
	return p.Effects.Do(ctx, LabelClaim, func(ctx context.Context) error {
		_, err := p.Client.Txn(ctx, consul.CheckSession(p.Keys.Report(p.Node), session),
			consul.Lock(p.Keys.Claim(c.Group), value, session))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoClaim, err)
		}
		return nil
	})
}

// Release gives the claim up that this node's session holds; what it said stays to
// be read.
func (p *Publisher) Release(ctx context.Context, group string, value []byte) error {
	return p.Effects.Do(ctx, LabelRelease, func(ctx context.Context) error {
		_, err := p.Client.Release(ctx, p.Keys.Claim(group), value, p.Session())
		return err
	})
}
