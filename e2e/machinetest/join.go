package machinetest

import (
	"context"
	"testing"

	"github.com/redfleet/redfleet/e2e/machine"
)

// Join makes the nodes, or all where none is named, members of the fleet: their
// agents run, and on the first three a coordinator. The first call makes the
// fleet's key.
func (f *Fleet) Join(ctx context.Context, t testing.TB, nodes ...*machine.Node) {
	t.Helper()
	if len(nodes) == 0 {
		nodes = f.Nodes
	}
	f.joinByHand(ctx, t, nodes)
}
