package request

import (
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Document is what `redfleet node remove -o json` writes.
type Document struct {
	// ID is the request's; empty when none was made.
	ID   string `json:"id"`
	Node string `json:"node"`
	With string `json:"with"`
	// Groups are what changes; Refused why it must not be, Warnings what to know.
	Groups   []DocumentGroup `json:"groups"`
	Refused  []string        `json:"refused"`
	Warnings []string        `json:"warnings"`
	// Phase and Outcome are how the request stands, with --wait at its end.
	Phase   fleet.RequestPhase `json:"phase"`
	Outcome string             `json:"outcome"`
}

// DocumentGroup is one group before and after.
type DocumentGroup struct {
	Group  string     `json:"group"`
	Before Membership `json:"before"`
	After  Membership `json:"after"`
	// Forget are the addresses that its sentinels know and are to forget.
	Forget []fleet.Addr `json:"forget"`
}

// Membership is who makes up a group.
type Membership struct {
	Nodes     []string `json:"nodes"`
	Sentinels []string `json:"sentinels"`
	Quorum    int      `json:"quorum"`
}

// Document gives a plan in this form. Lists in it are never null.
func (p Plan) Document() Document {
	d := Document{Node: p.Node, With: p.With, Groups: []DocumentGroup{},
		Refused: append([]string{}, p.Objections()...), Warnings: append([]string{}, p.Warnings...)}
	for _, c := range p.Groups {
		d.Groups = append(d.Groups, DocumentGroup{Group: c.Before.Name, Before: membership(c.Before), After: membership(c.After),
			Forget: append([]fleet.Addr{}, c.Ghosts...)})
	}
	return d
}

func membership(g fleet.GroupSpec) Membership {
	return Membership{Nodes: append([]string{}, g.Nodes...), Sentinels: slices.Concat([]string{}, g.Sentinel.Nodes), Quorum: g.Sentinel.Quorum}
}
