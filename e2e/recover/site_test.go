//go:build e2e

package recover

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

const (
	// folder is the fleet's folder on the first machine, where the operator works.
	folder = "/root/" + machinetest.FleetName
	// managementFile and operatorFile hold tokens on the first machine, and the
	// second one on all.
	managementFile = "/root/management.token"
	operatorFile   = "/root/operator.token"
)

// site is three machines whose Consul denies by default, each under its shipped token.
type site struct {
	*machinetest.Fleet
	first *machine.Node
}

// denying is Consul's configuration for ACLs with a default policy of deny. It gives a
// Consul without any data its management token, and its own agents one to be in the
// catalog with.
func denying(management string) string {
	return `{"acl": {"enabled": true, "default_policy": "deny", "tokens": {"initial_management": "` + management + `", "agent": "` + management + `"}}}`
}

const aclFile = "/etc/consul.d/20-acl.json"

// newSite boots the machines and makes them members; no group is applied yet.
func newSite(ctx context.Context, t *testing.T) *site {
	t.Helper()
	const management = "11111111-2222-3333-4444-555555555555"
	f := machinetest.New(ctx, t, machinetest.Options{Environment: []string{"CONSUL_HTTP_TOKEN_FILE=" + operatorFile},
		Create: func(_ string, o *machine.CreateOptions) { o.Files = map[string]string{aclFile: denying(management)} }})
	s := &site{Fleet: f, first: f.Nodes[0]}
	s.Install(ctx, t)
	s.put(ctx, t, s.first, managementFile, management)
	s.init(ctx, t)
	key := s.read(ctx, t, "fleet.key")
	coordinator := s.read(ctx, t, "tokens/coordinator.token")
	for _, n := range s.Nodes {
		s.put(ctx, t, n, "/root/fleet.key", key)
		s.put(ctx, t, n, "/root/agent.token", s.read(ctx, t, "tokens/agent-"+n.Name+".token"))
		s.put(ctx, t, n, "/root/coordinator.token", coordinator)
	}
	s.Each(t, s.Nodes, func(n *machine.Node) error { // hugepages are the host's
		return do(ctx, n, "redfleet", "join", "--key", "/root/fleet.key", "--token-file", "/root/agent.token",
			"--coordinator", "--coordinator-token-file", "/root/coordinator.token", "--ignore", "hugepages")
	})
	return s
}

// init is `redfleet init` in the fleet's folder, with a management token; it gives each
// machine the operator's token for the verbs of the tests.
func (s *site) init(ctx context.Context, t *testing.T) {
	t.Helper()
	var nodes []string
	for _, n := range s.Nodes {
		nodes = append(nodes, fmt.Sprintf("%s=%s", n.Name, n.Address))
	}
	// A Consul without data has a leader before that one has made the token.
	machinetest.Eventually(ctx, t, time.Minute, "Consul knows the management token", func() bool {
		r, err := s.first.Run(ctx, "consul", "acl", "token", "read", "-self", "-token-file", managementFile)
		return err == nil && r.Code == 0
	})
	machinetest.Run(ctx, t, s.first, "redfleet", "init", "--fleet", machinetest.FleetName, "--dir", folder,
		"--nodes", strings.Join(nodes, ","), "--consul", "127.0.0.1:8500", "--token-file", managementFile)
	operator := s.read(ctx, t, "tokens/operator.token")
	for _, n := range s.Nodes {
		s.put(ctx, t, n, operatorFile, operator)
	}
}

// read is a file of the fleet's folder.
func (s *site) read(ctx context.Context, t *testing.T, name string) string {
	t.Helper()
	return machinetest.Run(ctx, t, s.first, "cat", folder+"/"+name)
}

func (s *site) put(ctx context.Context, t *testing.T, n *machine.Node, path, text string) {
	t.Helper()
	if err := n.PutFile(ctx, path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// do runs a command on a node that has to succeed.
func do(ctx context.Context, n *machine.Node, argv ...string) error {
	r, err := n.Run(ctx, argv...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s on %s: exit status %d: %s%s", strings.Join(argv, " "), n.Name, r.Code, r.Stdout, r.Stderr)
	}
	return err
}
