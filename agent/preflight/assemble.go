package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/netport"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/systemd"
)

// Options say what an operator wants to be looked at. All but ConfigFile may be
// empty: the agent's file says most of it, and before there is one the fleet, the
// node and the address can be given.
type Options struct {
	ConfigFile, SpecFile string
	Fleet, Node, Address string
	// ConsulAddress and TokenFile are for reading the fleet's records; empty: those
	// of the agent's file.
	ConsulAddress, TokenFile string
	// Peers are addresses of other nodes by name.
	Peers  map[string]string
	Listen time.Duration
}

// Assemble reads what the checks go by: the agent's file, the spec, the fleet's
// records. What cannot be had is in the Input with its reason; an error is only
// what the operator has to mend first. close ends the connections to Consul.
func Assemble(ctx context.Context, o Options) (in *Input, close func(), err error) {
	in = &Input{ConfigFile: o.ConfigFile, Peers: o.Peers, Listen: o.Listen, Systemd: systemd.Version}
	in.Config, in.ConfigErr = specfile.ReadAgent(o.ConfigFile)
	in.override(o)
	var spec *fleet.Spec
	if o.SpecFile != "" {
		read, _, err := specfile.ReadSpec(o.SpecFile) // warnings are spec check's to tell
		if err != nil {
			return nil, nil, err
		}
		if spec = &read; in.Config.Fleet == "" {
			in.Config.Fleet = spec.Fleet.Name
		}
		if in.Config.Fleet != spec.Fleet.Name {
			return nil, nil, fmt.Errorf("%s is the spec of fleet %q, this machine is of fleet %q", o.SpecFile, spec.Fleet.Name, in.Config.Fleet)
		}
	}
	reader, closeClients := in.connect(o)
	in.load(ctx, reader)
	in.plan(spec, o.SpecFile)
	in.distro = in.lookAtDistro(ctx)
	return in, closeClients, nil
}

// override lets the flags win over the agent's file, and guesses what is missing
// before there is one.
func (in *Input) override(o Options) {
	c := &in.Config
	set := func(field *string, value string) {
		if value != "" {
			*field = value
		}
	}
	set(&c.Fleet, o.Fleet)
	set(&c.Node, o.Node)
	if o.Address != "" && o.Address != c.Address {
		c.Address, c.Bind, c.HTTP = o.Address, nil, ""
	}
	if c.Node == "" {
		if name, err := os.Hostname(); err == nil && fleet.ValidName(name) {
			c.Node = name
		}
	}
	if c.Address == "" {
		c.Address = onlyOwnAddress()
	}
	if in.ConfigErr != nil && o.ConsulAddress != "" {
		c.Consul.Address = o.ConsulAddress
	}
	*c = c.WithDefaults()
}

// onlyOwnAddress is the machine's address where it has just one; else somebody
// has to say which one counts.
func onlyOwnAddress() string {
	if own := netport.Own(); len(own) == 1 {
		return own[0].String()
	}
	return ""
}

// connect makes the clients: the agent's own, whose rights are checked, and the
// one that reads the records.
func (in *Input) connect(o Options) (reader *consul.Client, closeAll func()) {
	own, err := consul.New(consul.Options{Address: in.Config.Consul.Address, TokenFile: in.Config.Consul.TokenFile})
	if err != nil {
		in.ConsulErr = err
		own = nil
	} else {
		in.Consul = own
	}
	reader = own
	if o.ConsulAddress != "" || o.TokenFile != "" {
		if reader, err = consul.New(consul.Options{Address: cmp.Or(o.ConsulAddress, in.Config.Consul.Address), TokenFile: o.TokenFile}); err != nil {
			in.WorldErr, reader = err, nil
		}
	}
	return reader, func() {
		for _, c := range []*consul.Client{own, reader} {
			if c != nil {
				c.Close()
			}
		}
	}
}

func (in *Input) load(ctx context.Context, reader *consul.Client) {
	switch {
	case in.WorldErr != nil:
	case in.Config.Fleet == "":
		in.WorldErr = errors.New("which fleet is not known; name it with --fleet")
	case reader == nil:
		in.WorldErr = in.ConsulErr
	default:
		w, err := records.LoadWorld(ctx, reader, in.Config.Fleet, in.now(), false)
		if err != nil {
			in.WorldErr = err
			return
		}
		in.World = &w
	}
}

// plan takes what is to run from the spec that was given, else from the one in
// Consul, else from the last goal on this disk.
func (in *Input) plan(spec *fleet.Spec, file string) {
	source := file
	if spec == nil && in.World != nil && in.World.Spec != nil {
		spec, source = &in.World.Spec.Spec, "the spec in Consul"
	}
	if spec != nil {
		in.Plan = OfSpec(source, *spec, in.Config.Node, in.addresses())
		return
	}
	goal, found, err := in.rememberedGoal()
	switch {
	case err != nil:
		in.PlanErr = err
	case found:
		in.Plan = OfGoal(goal)
	case in.WorldErr != nil:
		in.PlanErr = fmt.Errorf("none can be read from Consul (%w), and this node has followed no goal yet", in.WorldErr)
	default:
		in.PlanErr = errors.New("Consul holds none for this fleet yet")
	}
}

// addresses are those of the other nodes: from their reports, unless the operator
// says otherwise.
func (in *Input) addresses() map[string]string {
	out := map[string]string{}
	if in.World != nil {
		for node, r := range in.World.Reports {
			if r.Report.Address != "" {
				out[node] = r.Report.Address
			}
		}
	}
	maps.Copy(out, in.Peers)
	return out
}
