//go:build !long

package fleettest

import (
	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/internal/effect"
)

// crashPlaces are those where most is half-done: the marker without a claim, the
// note without a request, the request without a word of it.
func crashPlaces() []cutPlace {
	return []cutPlace{{agent.LabelGiveUp, effect.After}, {agent.LabelAsking, effect.After}, {agent.LabelAsk, effect.After}}
}
