package observe

import (
	"context"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/systemd"
)

// Foreigners tells of units that redfleet did not bring; part of systemd's
// Supervisor, and of no other.
type Foreigners interface {
	Foreign(ctx context.Context, unit string) (systemd.Foreign, error)
}

// unit tells the state of what runs an instance: redfleet's unit, or for an adopted
// instance that has not moved yet the one that it was adopted from.
func (o *Observer) unit(ctx context.Context, g fleet.InstanceGoal, s *Seen) (fleet.UnitStatus, error) {
	f, ask := o.Units.(Foreigners)
	if g.Adopted == nil || !ask {
		s.Unmoved = g.Adopted != nil && !s.Facts.Memory.Moved
		return o.Units.Status(ctx, g.ID)
	}
	// First the old unit: while it is being started the instance moves, and only
	// after that is the new one asked to start.
	old, err := f.Foreign(ctx, g.Adopted.Unit)
	if err != nil {
		return fleet.UnitStatus{}, err
	}
	s.Facts.Origin = &converge.Origin{Unit: old.Status, Masked: old.Masked, GivesWay: old.GivesWay}
	if s.Unmoved = !s.Facts.Memory.Moved; s.Unmoved {
		return old.Status, nil
	}
	status, err := o.Units.Status(ctx, g.ID)
	if err == nil && status.State != fleet.UnitActive && old.Status.State == fleet.UnitActivating {
		status.State = fleet.UnitActivating
	}
	return status, err
}
