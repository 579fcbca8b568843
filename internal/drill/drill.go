// Package drill judges a rehearsal on a live group: whether it may begin, and what
// came of it. It is pure; package coordinator/drill carries drills out.
package drill

import (
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Kind is what is done to the group.
type Kind string

// The kinds of drills.
const (
	// Failover asks one sentinel for a failover; the master lives.
	Failover Kind = "failover"
	// Kill ends the master's process with SIGKILL.
	Kill Kind = "kill"
	// Isolate cuts the master's machine off from its peers' servers and sentinels for
	// a bounded time; clients elsewhere still reach it.
	Isolate Kind = "isolate"
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Failover, Kill, Isolate} }

// OnMachine: it is done on the master's machine, by root.
func (k Kind) OnMachine() bool { return k == Kill || k == Isolate }

// The bounds of how long an isolation lasts. Its end is set before it begins.
const (
	ShortestCut = time.Second
	LongestCut  = 5 * time.Minute
	UsualCut    = 20 * time.Second
)

// Target is a group as its goals describe it.
type Target struct {
	Fleet, Group string
	Kind         Kind
	// MasterName is what the sentinels call the group.
	MasterName string
	// Open: the sentinels ask for no password.
	Open       bool
	Durability string
	DownAfter  time.Duration
	Servers    []fleet.Member
	Sentinels  []fleet.Member
}

// TargetOf finds the group in a fleet's goals; false where no running server of a
// group with sentinels is in them.
func TargetOf(w fleet.World, name, group string, kind Kind) (Target, bool) {
	for _, goal := range w.Goals {
		for _, g := range goal.Instances {
			if g.Group != group || g.Kind != fleet.KindRedis || g.Assigned != fleet.Running || g.Monitor == nil || len(g.Sentinels) == 0 {
				continue
			}
			t := Target{Fleet: name, Group: group, Kind: kind, MasterName: g.Monitor.MasterName, Open: g.Monitor.Open,
				DownAfter: g.Monitor.DownAfter.Std(), Servers: g.Servers, Sentinels: g.Sentinels}
			if w.Spec != nil {
				spec, _ := w.Spec.Spec.Group(group)
				t.Durability = string(spec.Durability)
			}
			return t, true
		}
	}
	return Target{}, false
}

// Majority is how many of the group's sentinels are more than half of them.
func (t Target) Majority() int { return len(t.Sentinels)/2 + 1 }

// NodeOf is the node of a server; empty for an address that is none of the group's.
func (t Target) NodeOf(server fleet.Addr) string {
	for _, m := range t.Servers {
		if m.Addr == server {
			return m.Node
		}
	}
	return ""
}
