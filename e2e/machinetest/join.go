package machinetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/e2e/machine"
)

// Join makes the nodes, or all where none is named, members of the fleet by
// `redfleet join`: their agents run, and on the first three a coordinator. The first
// call makes the fleet's key, by `redfleet init` on the first of the nodes.
func (f *Fleet) Join(ctx context.Context, t testing.TB, nodes ...*machine.Node) {
	t.Helper()
	if len(nodes) == 0 {
		nodes = f.Nodes
	}
	f.HaveKey(ctx, t, nodes...)
	f.Each(t, nodes, func(n *machine.Node) error {
		r, err := f.TryJoin(ctx, n)
		if err == nil && r.Code != 0 {
			err = fmt.Errorf("redfleet join on %s: exit status %d:\n%s%s", n.Name, r.Code, r.Stdout, r.Stderr)
		}
		return err
	})
}

// HaveKey brings the fleet's key to the nodes, as scp would, and makes it before
// where there is none yet.
func (f *Fleet) HaveKey(ctx context.Context, t testing.TB, nodes ...*machine.Node) {
	t.Helper()
	if f.key == "" {
		var all []string
		for _, n := range f.Nodes {
			all = append(all, fmt.Sprintf("%s=%s", n.Name, n.Address))
		}
		Run(ctx, t, nodes[0], "redfleet", "init", "--fleet", FleetName, "--dir", "/root/"+FleetName, "--nodes", strings.Join(all, ","))
		f.key = Run(ctx, t, nodes[0], "cat", "/root/"+FleetName+"/fleet.key")
	}
	f.Each(t, nodes, func(n *machine.Node) error { return n.PutFile(ctx, "/root/fleet.key", []byte(f.key), 0o600) })
}

// TryJoin runs `redfleet join` on a node that has the package and the key.
// Transparent hugepages are the host's: no node can set them.
func (f *Fleet) TryJoin(ctx context.Context, n *machine.Node) (machine.Result, error) {
	argv := []string{"redfleet", "join", "--key", "/root/fleet.key", "--consul", "127.0.0.1:8500", "--engine", f.options.Engine,
		"--ignore", "hugepages"}
	if slices.Contains(f.coordinators(), n) {
		argv = append(argv, "--coordinator")
	}
	return n.Run(ctx, argv...)
}
