// Package setup makes what a new fleet begins with, once, on the operator's
// machine: its key, a commented spec, the daemons' own files, and the ACL policies
// and tokens for Consul. It writes no file that is there already, so that running it
// again makes only what is missing (promise resumable).
package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// Node is a machine of the new fleet.
type Node struct {
	Name    string
	Address netip.Addr
}

// Plan is the fleet that is to be.
type Plan struct {
	Fleet    string
	Nodes    []Node
	Engine   string
	Topology fleet.Topology
	// Dir is the folder that the files go into; it is made where it is missing.
	Dir string
}

// Outcome is what became of one file.
type Outcome struct {
	Path string
	// New: it was made now.
	New bool
	// Differs: it was there, says something else, and was left alone.
	Differs bool
	// Beside is where what init would write is then; empty where that is nowhere.
	Beside string
}

// TokenFile is where the token of a policy is, below the folder.
func (p Plan) TokenFile(title string) string { return filepath.Join(p.Dir, "tokens", title+".token") }

// PolicyFile is where a policy's rules are, below the folder.
func (p Plan) PolicyFile(title string) string { return filepath.Join(p.Dir, "policies", title+".hcl") }

// RulesFile is where the rules of a policy are as they should be now: beside its file,
// where that one was there before and says something else.
func (p Plan) RulesFile(title string) string {
	if newer := p.PolicyFile(title) + ".new"; exists(newer) {
		return newer
	}
	return p.PolicyFile(title)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// KeyFile is the fleet's key.
func (p Plan) KeyFile() string { return filepath.Join(p.Dir, "fleet.key") }

// Check says what is wrong with the plan, before anything is written: names, and
// whether the spec that would come out can be used.
func (p Plan) Check() error {
	if !fleet.ValidName(p.Fleet) {
		return fmt.Errorf("%q cannot be the name of a fleet; use lower-case letters, digits and hyphens", p.Fleet)
	}
	if len(p.Nodes) == 0 {
		return errors.New("a fleet needs nodes: --nodes n1=10.0.0.11,n2=10.0.0.12,n3=10.0.0.13")
	}
	addresses := map[netip.Addr]string{}
	for _, n := range p.Nodes {
		if other, taken := addresses[n.Address]; taken {
			return fmt.Errorf("nodes %s and %s have the same address %s", other, n.Name, n.Address)
		}
		addresses[n.Address] = n.Name
	}
	_, errs := p.spec().Validate()
	for _, problem := range errs {
		return fmt.Errorf("these nodes make no spec that can be used: %s: %s", problem.Path, problem.Message)
	}
	return p.checkKey()
}

// checkKey refuses a folder that is another fleet's.
func (p Plan) checkKey() error {
	key, err := secret.LoadKey(p.KeyFile())
	if errors.Is(err, secret.ErrNoKey) {
		return nil
	}
	if err != nil {
		return err
	}
	if key.Fleet() != "" && key.Fleet() != p.Fleet {
		return fmt.Errorf("%s has the key of fleet %q, not of %q; choose another folder with --dir", p.Dir, key.Fleet(), p.Fleet)
	}
	return nil
}

func (p Plan) spec() fleet.Spec {
	g := fleet.GroupSpec{Name: groupName, Topology: p.Topology, Engine: p.Engine}
	for _, n := range p.Nodes {
		g.Nodes = append(g.Nodes, n.Name)
	}
	return fleet.Spec{Fleet: fleet.FleetSpec{Name: p.Fleet}, Groups: []fleet.GroupSpec{g}}.WithDefaults()
}

// PolicyNodes are the nodes as Consul knows them: by the name that it has for their
// address, else by their own.
func (p Plan) PolicyNodes(known map[netip.Addr]string) []policy.Node {
	var out []policy.Node
	for _, n := range p.Nodes {
		name := known[n.Address]
		if name == "" {
			name = n.Name
		}
		out = append(out, policy.Node{Name: n.Name, Consul: name})
	}
	return out
}

// Write makes the files that are missing. policies are what goes into the folder
// policies.
func (p Plan) Write(policies []policy.Policy) ([]Outcome, error) {
	spec, err := p.specText()
	if err != nil {
		return nil, err
	}
	out, err := p.writeKey()
	if err != nil {
		return nil, err
	}
	for _, t := range []struct{ name, text string }{
		{"fleet.toml", spec},
		{"agent.toml", p.agentText()},
		{"coordinator.toml", specfile.CommentedCoordinator(specfile.CoordinatorConfig{Fleet: p.Fleet, Name: p.Nodes[0].Name})},
	} {
		o, err := writeNew(filepath.Join(p.Dir, t.name), []byte(t.text), 0o644)
		if err != nil {
			return out, err
		}
		out = append(out, o)
	}
	for _, pol := range policies {
		o, err := p.writePolicy(pol)
		if err != nil {
			return out, err
		}
		out = append(out, o)
	}
	return out, nil
}

// writePolicy puts the rules beside a file that says something else, as that of a
// fleet that has grown does.
func (p Plan) writePolicy(pol policy.Policy) (Outcome, error) {
	path := p.PolicyFile(pol.Title())
	o, err := writeNew(path, []byte(pol.HCL()), 0o644)
	switch {
	case err != nil:
		return o, err
	case o.Differs:
		o.Beside = path + ".new"
		return o, renameio.WriteFile(o.Beside, []byte(pol.HCL()), 0o644)
	}
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, err
	}
	return o, nil
}

func (p Plan) writeKey() ([]Outcome, error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of the fleet: %w", err)
	}
	if _, err := secret.LoadKey(p.KeyFile()); err == nil {
		return []Outcome{{Path: p.KeyFile()}}, nil
	} else if !errors.Is(err, secret.ErrNoKey) {
		return nil, err
	}
	key, err := secret.GenerateKey()
	if err != nil {
		return nil, err
	}
	if err := key.ForFleet(p.Fleet).WriteKey(p.KeyFile()); err != nil {
		return nil, err
	}
	return []Outcome{{Path: p.KeyFile(), New: true}}, nil
}

// agentText is an agent's file for the first node, with all others named in it.
func (p Plan) agentText() string {
	var others strings.Builder
	for _, n := range p.Nodes {
		fmt.Fprintf(&others, "#   node = %q  address = %q\n", n.Name, n.Address.String())
	}
	first := p.Nodes[0]
	return "# Where redfleet join is not used: copy this file to /etc/redfleet/agent.toml of each\n" +
		"# machine, with the machine's own two lines:\n" + others.String() + "\n" +
		specfile.CommentedAgent(specfile.AgentConfig{Fleet: p.Fleet, Node: first.Name, Address: first.Address.String()})
}

// writeNew makes a file with all of its content or not at all, and never touches
// one that is there.
func writeNew(path string, content []byte, mode fs.FileMode) (Outcome, error) {
	old, err := os.ReadFile(path) //nolint:gosec // below the operator's folder
	if err == nil {
		return Outcome{Path: path, Differs: !bytes.Equal(old, content)}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Outcome{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Outcome{}, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return Outcome{}, err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return Outcome{}, fmt.Errorf("writing %s: %w", path, err)
	}
	// A link, unlike a rename, refuses a name that was taken meanwhile.
	if err := os.Link(temp.Name(), path); err != nil {
		return Outcome{}, fmt.Errorf("writing %s: %w", path, err)
	}
	return Outcome{Path: path, New: true}, nil
}
