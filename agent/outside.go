package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"

	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Outside is what an agent reaches beyond its own files and its clock. A field
// that is zero means the machine's own; the simulation has others.
type Outside struct {
	Network    Network
	FindEngine engine.Finder
	// Consul carries the requests to Consul.
	Consul http.RoundTripper
	// Supervisor runs the instances, instead of the one that Config names.
	Supervisor Supervisor
	// Preflight looks at the machine before anything new is installed on it.
	Preflight func(ctx context.Context, goal fleet.Goal) preflight.Document
	// Random makes identities and names.
	Random io.Reader
	// Jitter spreads what repeats.
	Jitter    consul.Jitter
	MachineID string
	// Clock tells one boot of the machine from another.
	Clock state.Clock
}

// Network is how an agent reaches instances and is reached itself.
type Network interface {
	observe.Network
	Listen(ctx context.Context, network, addr string) (net.Listener, error)
}

// machine is the network of the machine itself.
type machine struct{ observe.Machine }

// Listen takes an address as net.ListenConfig does.
func (machine) Listen(ctx context.Context, network, addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, network, addr)
}

// withDefaults fills in the machine's own, but for Supervisor and Preflight, which
// are made where Config is read.
func (o Outside) withDefaults() Outside {
	if o.Network == nil {
		o.Network = machine{}
	}
	if o.FindEngine == nil {
		o.FindEngine = engine.Find
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Jitter == nil {
		o.Jitter = consul.RandomJitter
	}
	o.MachineID = cmp.Or(o.MachineID, machineID())
	return o
}
