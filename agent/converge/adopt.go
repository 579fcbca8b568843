package converge

import "github.com/redfleet/redfleet/internal/fleet"

// Origin is what is known of the unit that runs an adopted instance until its next
// restart.
type Origin struct {
	Unit fleet.UnitStatus
	// Masked: it cannot be started any more. GivesWay: at its next start the
	// instance moves to redfleet's unit.
	Masked, GivesWay bool
}

// adopted decides on an instance that was built by hand and has not moved yet. While
// it runs nothing is done to it or to its files; before anything else its unit is
// brought to give way at its next start, so that no start, systemd's own among
// them, passes the move by (hazard D1: it would find its folder empty).
func adopted(g *fleet.InstanceGoal, in Instance) ([]Step, why) {
	step := func(k Kind, reason string) ([]Step, why) {
		return []Step{{Kind: k, Instance: g.ID, Reason: reason}}, why{reason: reason}
	}
	if g.Assigned != fleet.Running {
		return nil, why{reason: "it was adopted and runs under " + g.Adopted.Unit + " still; restart that unit first, so that the instance moves to redfleet's"}
	}
	runs := in.Unit.State == fleet.UnitActive
	switch {
	case in.Origin == nil:
		return nil, why{reason: "it was adopted from " + g.Adopted.Unit + ", and there is no systemd to ask about that unit"}
	case runs && !answers(g.Kind, in):
		return nil, why{reason: g.Adopted.Unit + " runs and does not answer with the group's password yet; it is left alone"}
	case !in.Origin.GivesWay && in.Unit.State != fleet.UnitActivating:
		steps, _ := step(GiveWay, "it is to move to redfleet's unit at its next restart")
		return steps, why{}
	case runs:
		return nil, why{}
	case in.Unit.State == fleet.UnitActivating:
		return nil, why{reason: "systemd is at " + g.Adopted.Unit + ", from which the instance moves"}
	}
	return step(Move, g.Adopted.Unit+" is down: the instance moves to redfleet's unit")
}

// maskOrigin takes the old unit of an instance that has moved and runs out of service.
func maskOrigin(g *fleet.InstanceGoal, in Instance) []Step {
	o := in.Origin
	if g.Adopted == nil || o == nil || o.Masked || o.Unit.State == fleet.UnitActive || o.Unit.State == fleet.UnitActivating {
		return nil
	}
	return []Step{{Kind: MaskOrigin, Instance: g.ID, Reason: "the instance runs under redfleet's unit now"}}
}
