package coordinator

import "github.com/redfleet/redfleet/internal/effect"

// The labels of the coordinator's effects.
const (
	LabelLease    effect.Label = "coordinator: hold the lease"
	LabelDecision effect.Label = "coordinator: record the decision"
	LabelGoals    effect.Label = "coordinator: write goals"
	LabelCommit   effect.Label = "coordinator: commit the plan"
	LabelEvents   effect.Label = "coordinator: record events"
	LabelKeys     effect.Label = "coordinator: make keys to watch"
	LabelPrune    effect.Label = "coordinator: prune events and requests"
	LabelRequest  effect.Label = "coordinator: carry out a request"
	LabelOffered  effect.Label = "coordinator: remove what agents offered to an empty Consul"
)

// Labels are all of them.
func Labels() []effect.Label {
	return []effect.Label{LabelLease, LabelDecision, LabelGoals, LabelCommit, LabelEvents, LabelKeys, LabelPrune, LabelRequest, LabelOffered}
}
