// Package switchover carries a planned failover out: the steps that the pure package
// internal/switchover decides, on the servers and one sentinel of a live group.
//
// Whoever runs it holds nothing that outlives it: the writes of the master are held
// for a bounded time and go on by themselves when it dies.
package switchover

import (
	"errors"
	"time"

	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
)

var (
	// ErrUnchanged: nothing was changed, and the master goes on.
	ErrUnchanged = errors.New("nothing was changed")
	// ErrLeft: the sentinel was asked, and what comes of it is Sentinel's to decide. A
	// write that is acknowledged meanwhile can be lost (hazard S13).
	ErrLeft = errors.New("the failover was left to Sentinel")
	// ErrLapsed: the master was switched, and for a time the old one may have taken
	// writes that are lost: whoever held them was held up itself, or it was silent.
	ErrLapsed = errors.New("the pause of the old master's writes ran out before it was a replica")
)

// The effects of a planned failover, in their order.
const (
	LabelPause   effect.Label = "switchover: hold the master's writes"
	LabelAsk     effect.Label = "switchover: ask one sentinel for a failover"
	LabelDemote  effect.Label = "switchover: make the old master a replica of the new one"
	LabelKeep    effect.Label = "switchover: have the old master keep its role"
	LabelUnpause effect.Label = "switchover: let the writes go on"
	LabelClients effect.Label = "switchover: end the connections to the old master"
)

// Labels are all of them.
func Labels() []effect.Label {
	return []effect.Label{LabelPause, LabelAsk, LabelDemote, LabelKeep, LabelUnpause, LabelClients}
}

// Options are what a planned failover needs.
type Options struct {
	Target   drill.Target
	Password secret.Password
	// Master is the server that gives way, Ask the one sentinel that is asked for it
	// (hazard S18).
	Master, Ask fleet.Member
	Effects     effect.Runner
	// Tell shows a person how far it is.
	Tell func(format string, args ...any)
}

// Outcome is what came of it.
type Outcome struct {
	// From gave way to To; To is zero where nobody was promoted.
	From, To fleet.Member
	// Held is for how long the old master's writes were held, or at least until this
	// ended where it is not known to have become a replica.
	Held time.Duration
	// Warnings are what did not go well and harms no write.
	Warnings []string
}
