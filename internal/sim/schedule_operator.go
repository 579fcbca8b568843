package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/coordinator/recovery"
	"github.com/redfleet/redfleet/internal/effect"
)

// spare is the node that has joined and is in no group.
const spare = "n4"

// operated: an operator changes the nodes in this run.
func (s Schedule) operated() bool {
	return slices.ContainsFunc(s.Events, func(e Event) bool { return slices.Contains(asked, e.Kind) })
}

// nodes is how many machines there are.
func (s Schedule) nodes() int {
	if slices.ContainsFunc(s.Events, func(e Event) bool { return e.Target == spare || e.Other == spare }) {
		return nodeCount + 1
	}
	return nodeCount
}

// end is when all that is broken is mended: later where an operator changes the
// nodes, which takes its time (hazard S5).
func (s Schedule) end() time.Duration {
	if s.operated() {
		return 2 * faultsEnd
	}
	return faultsEnd
}

// patience is how much longer a run may take to settle: until a machine without
// power is missed by the master (60 s) and each sentinel has forgotten, 30 s apart.
func (s Schedule) patience() time.Duration {
	if s.operated() {
		return 300 * time.Second
	}
	return 0
}

// operators draws, for some seeds, what operators do with the nodes, and what goes
// wrong meanwhile. It draws apart from all else.
func (s *Schedule) operators() {
	r := chance(s.Seed).source("operators")
	if r.IntN(3) != 0 {
		return
	}
	at := 6*time.Second + random(r, 14*time.Second)
	first, shape := drawAsked(r, at), r.IntN(3)
	if shape == 0 {
		first.Kind, first.Other = ReplaceNode, spare
	}
	s.Events = append(s.Events, first)
	switch shape {
	case 0:
		s.takeBack(r, first)
	case 1: // and then again, sometimes back
		next := drawAsked(r, at+random(r, 20*time.Second))
		if first.Kind == ReplaceNode && r.IntN(2) == 0 {
			next.At = at + random(r, 4*time.Second)
			next.Target = spare
			if next.Kind == ReplaceNode {
				next.Other = first.Target
			}
		}
		s.Events = append(s.Events, next)
	}
	for range r.IntN(3) {
		e := draw(r)
		e.At = at + random(r, 35*time.Second)
		if e.Kind == Apply {
			continue
		}
		if r.IntN(4) == 0 && s.nodes() > nodeCount {
			e.Target = spare
		}
		s.Events = append(s.Events, e)
	}
	for range 1 + r.IntN(2) {
		e := drawAtLabel(r)
		e.Label = memberLabels[r.IntN(len(memberLabels))]
		s.Events = append(s.Events, e)
	}
}

// takeBack has the newcomer taken out again before it runs anything: its agent did not
// hear of its goal yet, or its sentinel can ask nobody for the master.
func (s *Schedule) takeBack(r *rand.Rand, first Event) {
	from, back := first.At-500*time.Millisecond, first
	back.At, back.Target = first.At+time.Second+random(r, 3*time.Second), spare
	if back.Other = first.Target; back.Other == "master" {
		back.Other = "n1"
	}
	s.Events = append(s.Events, back)
	if r.IntN(2) == 0 {
		s.Events = append(s.Events, Event{At: from, Kind: ConsulLost, Target: spare, Other: "n1", For: 15 * time.Second})
		return
	}
	for i := range nodeCount {
		s.Events = append(s.Events, Event{At: from, Kind: Cut, Target: spare, Other: "n" + string(rune('1'+i)), For: 15 * time.Second})
	}
}

// memberLabels are the effects of a change of nodes.
var memberLabels = []effect.Label{
	apply.LabelRetire, apply.LabelQuorum, apply.LabelForget, coordinator.LabelRequest, coordinator.LabelRequest,
	apply.LabelFolder, apply.LabelStart, coordinator.LabelCommit,
}

func drawAsked(r *rand.Rand, at time.Duration) Event {
	e := Event{At: at, Kind: asked[r.IntN(len(asked))], Target: "n" + string(rune('1'+r.IntN(nodeCount))), For: 20 * time.Second}
	if r.IntN(5) == 0 {
		e.Target = "master" // which is refused as long as it is
	}
	if e.Kind == ReplaceNode {
		e.Other = spare
	}
	return e
}

// recovers: an operator rebuilds what Consul loses.
func (s Schedule) recovers() bool {
	return slices.ContainsFunc(s.Events, func(e Event) bool { return e.Kind == RecoverFleet })
}

// recoveries draws operators who rebuild what Consul loses: in most schedules in
// which it loses all, and in some more. It draws apart from all else.
func (s *Schedule) recoveries() {
	r := chance(s.Seed).source("recoveries")
	loses := slices.ContainsFunc(s.Events, func(e Event) bool { return e.Kind == LoseConsul })
	at := 6*time.Second + random(r, 14*time.Second)
	if more := r.IntN(8) == 0; more {
		s.Events = append(s.Events, Event{At: at, Kind: LoseConsul})
	} else if !loses || r.IntN(4) == 0 {
		return
	}
	s.Events = append(s.Events, Event{At: at + random(r, 8*time.Second), Kind: RecoverFleet, For: 30 * time.Second})
	if r.IntN(2) == 0 {
		e := drawAtLabel(r)
		e.Label, e.Nth = recovery.Labels()[r.IntN(len(recovery.Labels()))], 1
		s.Events = append(s.Events, e)
	}
}
