package sim

import (
	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/apply"
)

const (
	// seedsForMost is how many seeds come to everything but what is rare.
	seedsForMost = 300
	// seedsForAll is how many come to what is rare too.
	seedsForAll = 3000
)

// Rare are labels and transitions that hundreds of seeds may not come to, each with
// why; from seedsForAll seeds on they are asked for like all others.
func Rare() map[string]string {
	const takenUp = "a failover that was asked for must come to nothing: about one in 150 seeds"
	const stranded = "a replica must begin to follow a master seconds before that one is replaced: about one in 150 seeds"
	return map[string]string{
		"transition prepared to held by keep": "a newcomer has to be taken out between its files and its first start: about one in 70 seeds",

		"label before " + string(apply.LabelStranded): stranded,
		"label after " + string(apply.LabelStranded):  stranded,

		"label before " + string(agent.LabelTakeUp): takenUp,
		"label after " + string(agent.LabelTakeUp):  takenUp,
	}
}
