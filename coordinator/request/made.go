package request

import (
	"slices"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Made is the request of a plan, as its operator writes it.
func Made(id, by string, now time.Time, p Plan) fleet.Request {
	return fleet.Request{Format: fleet.Format, ID: id, Kind: fleet.RequestReplace, By: by, At: now,
		Node: p.Node, With: p.With, Groups: p.Touched(), Phase: fleet.RequestMade}
}

// NewSpec is the spec that goes with it, written in the same transaction: what the
// operator wants from then on.
func NewSpec(rec fleet.SpecRecord, p Plan) fleet.SpecRecord {
	rec.Spec.Groups = slices.Clone(rec.Spec.Groups)
	for i, g := range rec.Spec.Groups {
		for _, c := range p.Groups {
			if c.After.Name != g.Name {
				continue
			}
			g.Nodes, g.Sentinel.Nodes = c.After.Nodes, c.After.Sentinel.Nodes
			g.Sentinel.Quorum, g.Prefer = c.After.Sentinel.Quorum, c.After.Prefer
			rec.Spec.Groups[i] = g
		}
	}
	return rec
}
