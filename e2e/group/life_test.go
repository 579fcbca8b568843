//go:build e2e

package group

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

// Each takes fresh machines through a group's life: three machines that are Consul's
// servers and run Redis too, as many small fleets do, and larger ones.
func TestThreeNodes(t *testing.T)  { life(t, 3) }
func TestSixNodes(t *testing.T)    { life(t, 6) }
func TestTwelveNodes(t *testing.T) { life(t, 12) }

func life(t *testing.T, nodes int) {
	ctx := machinetest.Context(t, 6*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Nodes: nodes})
	cases := []struct {
		name string
		test func(context.Context, *testing.T, *machinetest.Fleet)
	}{
		{"from dpkg to verified", bringUp},
		{"the master's machine loses power, and comes back", machinetest.FailOver},
	}
	for _, c := range cases {
		if !t.Run(c.name, func(t *testing.T) { c.test(ctx, t, f) }) {
			return // what follows builds on it
		}
	}
}

func bringUp(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	figures := f.BringUp(ctx, t)
	fmt.Printf("e2e nodes=%d install_to_serving_s=%.2f apply_to_serving_s=%.2f\n", len(f.Nodes),
		figures.InstallToServing.Seconds(), figures.ApplyToServing.Seconds())
	f.Whole(ctx, t)
	w := f.StartWriter(ctx, t)
	w.WaitMore(ctx, t, 100)
	w.Stop().NoError(t)
}
