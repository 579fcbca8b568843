// Package join makes a machine a member of a fleet: it looks at everything that can
// be wrong before it writes anything, installs the key, the token and the daemons'
// files, and waits until the fleet sees the machine. Each step can be cut off and
// done again (promise resumable).
package join

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// Etc is where the daemons' files are.
const Etc = "/etc/redfleet"

// Options are what the operator says; all but KeyFile may be empty.
type Options struct {
	// KeyFile is the fleet's key.
	KeyFile string
	// Consul is its address; TokenFile holds the agent's token.
	Consul, TokenFile string
	// Fleet, Node and Address are found out where they are empty.
	Fleet, Node, Address string
	// Coordinator: the machine runs one too, with the token in CoordinatorToken,
	// else with the agent's.
	Coordinator      bool
	CoordinatorToken string
	// Etc is the folder of the daemons' files, Etc where it is empty.
	Etc string
	// Force replaces files that say something else, and keeps them beside.
	Force bool
	// Tell, when set, hears why Prepare asks Consul again.
	Tell func(error)

	// loopback lets a test be a machine at a loopback address.
	loopback bool
}

// Plan is what joining will do; nothing is done yet.
type Plan struct {
	Agent specfile.AgentConfig
	// Coordinator is nil where the machine runs none.
	Coordinator *specfile.CoordinatorConfig
	// ConsulNode is the Consul agent that the machine speaks to; empty where that
	// could not be found out.
	ConsulNode string
	// AddressFrom says where the address is from.
	AddressFrom string
	// Files are what will be written.
	Files []File
	// Notes are worth knowing and no reason to stop.
	Notes []string

	// boot is the run of an earlier agent that reported from here.
	boot string
}

// maker gathers what a Plan is made of.
type maker struct {
	o    Options
	plan *Plan
	key  secret.Key
	// had is what the agent's file says now; hadAny whether it says anything.
	had    specfile.AgentConfig
	hadAny bool
	client *consul.Client
}

// Prepare looks at the key, the files that are there, Consul, the token's rights,
// the address and the name, in this order, and stops at the first thing that is
// wrong. It changes nothing, on the machine or in Consul. Errors are ErrOut where
// Consul cannot be reached or stays without a leader for consul.Patience, and
// otherwise say what to do.
func Prepare(ctx context.Context, o Options) (*Plan, error) {
	o.Etc = cmp.Or(o.Etc, Etc)
	m := &maker{o: o, plan: &Plan{}}
	if err := m.names(); err != nil {
		return nil, err
	}
	var err error
	m.client, err = consul.New(consul.Options{Address: m.plan.Agent.Consul.Address, TokenFile: m.tokenSource()})
	if err != nil {
		return nil, err
	}
	defer m.client.Close()
	for _, step := range []func(context.Context) error{m.reach, m.rights, m.address, m.free, m.keyFits} {
		if err := consul.Patiently(ctx, o.Tell, step); err != nil {
			return nil, err
		}
	}
	return m.plan, m.files()
}

// names finds out what needs no Consul: the fleet, the node, where Consul is.
func (m *maker) names() error {
	var err error
	if m.key, err = secret.LoadKey(m.o.KeyFile); err != nil {
		return err
	}
	if err := m.existing(); err != nil {
		return err
	}
	a := &m.plan.Agent
	*a = m.had
	if a.Fleet, err = m.fleet(); err != nil {
		return err
	}
	if a.Node, err = m.node(); err != nil {
		return err
	}
	if m.o.Etc != Etc && a.KeyFile == "" {
		a.KeyFile = filepath.Join(m.o.Etc, "fleet.key")
	}
	a.Consul.Address = cmp.Or(m.o.Consul, m.had.Consul.Address, specfile.DefaultConsul)
	return m.tokens()
}

// existing reads the agent's file as it is now, if there is one.
func (m *maker) existing() error {
	path := filepath.Join(m.o.Etc, "agent.toml")
	c, any, err := specfile.AgentSettings(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the agent's file is there and cannot be read: %w", err)
	}
	m.had, m.hadAny = c, any
	return nil
}

func (m *maker) fleet() (string, error) {
	inKey, given := m.key.Fleet(), m.o.Fleet
	if inKey != "" && given != "" && inKey != given {
		return "", fmt.Errorf("--fleet is %q, and %s is the key of fleet %q", given, m.o.KeyFile, inKey)
	}
	name := cmp.Or(given, inKey, m.had.Fleet)
	switch {
	case name == "":
		return "", fmt.Errorf("which fleet is not known: %s does not say; name it with --fleet", m.o.KeyFile)
	case !fleet.ValidName(name):
		return "", fmt.Errorf("%q cannot be the name of a fleet; names are lower-case letters, digits and hyphens", name)
	}
	return name, nil
}

func (m *maker) node() (string, error) {
	if name := cmp.Or(m.o.Node, m.had.Node); name != "" {
		if !fleet.ValidName(name) {
			return "", fmt.Errorf("%q cannot be the name of a node; names are lower-case letters, digits and hyphens", name)
		}
		return name, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("the machine's own name: %w; name the node with --node", err)
	}
	if !fleet.ValidName(host) {
		return "", fmt.Errorf("the host name %q cannot be the name of a node (lower-case letters, digits and hyphens); name it with --node", host)
	}
	return host, nil
}

// tokens says where the daemons will find their tokens.
func (m *maker) tokens() error {
	a := &m.plan.Agent
	if m.o.TokenFile != "" {
		a.Consul.TokenFile = filepath.Join(m.o.Etc, "consul.token")
	}
	if !m.o.Coordinator {
		if m.o.CoordinatorToken != "" {
			return errors.New("a coordinator's token is of use with --coordinator only")
		}
		return nil
	}
	c := &specfile.CoordinatorConfig{Fleet: a.Fleet, Name: a.Node, Consul: a.Consul, KeyFile: a.KeyFile}
	if m.o.CoordinatorToken != "" {
		c.Consul.TokenFile = filepath.Join(m.o.Etc, "coordinator.token")
	}
	m.plan.Coordinator = c
	return nil
}

// tokenSource is the file to read the agent's token from now.
func (m *maker) tokenSource() string { return cmp.Or(m.o.TokenFile, m.had.Consul.TokenFile) }

// wantAddress is the one that somebody named, if anybody did.
func (m *maker) wantAddress() string { return cmp.Or(m.o.Address, m.had.Address) }

// reach asks Consul whether it is there and can take writes.
func (m *maker) reach(ctx context.Context) error {
	if _, err := m.client.Leader(ctx); err != nil {
		return fmt.Errorf("Consul at %s: %w; start the Consul agent of this machine, or name another with --consul", m.plan.Agent.Consul.Address, err)
	}
	return nil
}

func (m *maker) addressIs(addr netip.Addr, from string) {
	m.plan.Agent.Address, m.plan.AddressFrom = addr.String(), from
}
