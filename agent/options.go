// Package agent is the node daemon: it watches its goal, observes its
// instances, takes the steps that package converge decides, and reports.
//
// Instances outlive it: a restarted agent finds them again and touches nothing.
// Losing Consul changes nothing on the node (promise fail-static).
package agent

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/publish"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

// Supervisor runs the instances' processes, which outlive it.
type Supervisor interface {
	Start(ctx context.Context, u fleet.Unit) error
	Stop(ctx context.Context, name fleet.InstanceID) error
	Retire(ctx context.Context, name fleet.InstanceID) error
	Status(ctx context.Context, name fleet.InstanceID) (fleet.UnitStatus, error)
	Exits() <-chan fleet.InstanceID
	Close() error
}

// Options is what an agent needs.
type Options struct {
	Config specfile.AgentConfig
	// ConfigFile is where Config was read, which the boot fence of the instances'
	// units reads too; empty for the usual place.
	ConfigFile string
	Log        logrus.FieldLogger
	// Hook is asked at each labelled effect; tests cut there. Nil in production.
	Hook    effect.Hook
	Outside Outside
	// StrandedFor is how long a replica must be seen stranded before it is started anew; 0
	// is observe.StrandedFor.
	StrandedFor time.Duration
}

// ErrNameTaken: another agent lives under this node's name (hazard M4).
var ErrNameTaken = publish.ErrNameTaken

// ErrAddressTaken: another process listens where the role checks are served;
// most likely a second agent on this machine.
var ErrAddressTaken = errors.New("the agent's own address is taken")

// The labels of the agent's own effects.
const (
	LabelNode   effect.Label = "agent: keep who it is"
	LabelGoal   effect.Label = "agent: keep the goal"
	LabelSecret effect.Label = "agent: keep the sealed secret"
	LabelMemory effect.Label = "agent: keep what was seen of an instance"
)

// Labels are the labels of all effects that an agent has.
func Labels() []effect.Label {
	own := []effect.Label{LabelNode, LabelGoal, LabelSecret, LabelMemory, LabelGiveUp, LabelAsking, LabelAsk, LabelTakeUp}
	return append(append(own, apply.Labels()...), publish.Labels()...)
}
