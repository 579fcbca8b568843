package preflight

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

// Input is what the checks look at. The zero value of each optional field is
// "not there", and the checks that need it say what they could not look at.
type Input struct {
	// Config is the agent's file with its defaults, or what stands in for it
	// before there is one; ConfigFile its path and ConfigErr why it cannot be used.
	Config     specfile.AgentConfig
	ConfigFile string
	ConfigErr  error
	// Root is the folder below which /proc, /sys, /etc and the data folder are
	// read; empty for the machine itself.
	Root string
	Plan Plan
	// PlanErr says why Plan is empty.
	PlanErr error
	// Peers are the addresses of other nodes that the operator gave by hand.
	Peers map[string]string

	// Consul speaks with the token of the agent's file; it is nil where its client
	// could not be made, and ConsulErr then says why.
	Consul    Consul
	ConsulErr error
	// World are the fleet's records; nil where WorldErr says why not.
	World    *fleet.World
	WorldErr error

	// Systemd asks the running systemd for its version, as in "252.30-1~deb12u2".
	Systemd func(ctx context.Context) (string, error)
	// Resolver turns names into addresses; nil means the system's.
	Resolver Resolver
	// Exec runs a command of a fix and gives all that it said; nil means on the
	// machine itself.
	Exec func(ctx context.Context, argv []string) ([]byte, error)
	// Now is the clock of this machine; nil means time.Now.
	Now func() time.Time
	// Listen is how long this node's free ports answer with who they are, so that
	// a preflight on another node can tell an open way from a refusing firewall.
	Listen time.Duration

	listeners *listeners
	distro    distroFact
}

// Consul is what the checks ask of Consul. All of it only reads (hazard K6).
type Consul interface {
	Leader(ctx context.Context) (string, error)
	Self(ctx context.Context) (consul.Self, error)
	Missing(ctx context.Context, rights []consul.Right) ([]consul.Right, error)
}

// Resolver is the part of net.Resolver in use.
type Resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
}

var _ Resolver = (*net.Resolver)(nil)

func (in *Input) path(name string) string { return filepath.Join("/", in.Root, name) }

// read gives a small file without the blanks around it.
func (in *Input) read(name string) (string, error) {
	b, err := os.ReadFile(in.path(name))
	return strings.TrimSpace(string(b)), err
}

// glob finds files by an absolute pattern, and gives their names for read.
func (in *Input) glob(pattern string) []string {
	found, _ := filepath.Glob(in.path(pattern)) // the patterns are good ones
	prefix := strings.TrimSuffix(in.path("/"), "/")
	for i := range found {
		found[i] = strings.TrimPrefix(found[i], prefix)
	}
	return found
}

func (in *Input) now() time.Time {
	if in.Now == nil {
		return time.Now()
	}
	return in.Now()
}

// unplanned is the finding of a check that needs to know what is to run.
func (in *Input) unplanned() Finding {
	if in.Plan.Source != "" {
		return none("%s puts nothing on %s", in.Plan.Source, in.Config.Node)
	}
	return none("needs the spec")
}

// unread is the finding of a check that needs the fleet's records.
func (in *Input) unread() Finding { return none("needs the fleet's records (see consul)") }
