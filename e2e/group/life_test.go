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

// TestTrixie is the same on the newer Debian: another systemd, another Redis.
func TestTrixie(t *testing.T) { live(t, machinetest.Options{Suite: "trixie"}) }

func life(t *testing.T, nodes int) {
	figures := live(t, machinetest.Options{Nodes: nodes})
	fmt.Printf("e2e nodes=%d install_to_serving_s=%.2f apply_to_serving_s=%.2f\n", nodes,
		figures.InstallToServing.Seconds(), figures.ApplyToServing.Seconds())
}

func live(t *testing.T, o machinetest.Options) (figures machinetest.Figures) {
	ctx := machinetest.Context(t, 6*time.Minute)
	f := machinetest.New(ctx, t, o)
	cases := []struct {
		name string
		test func(context.Context, *testing.T, *machinetest.Fleet)
	}{
		{"from dpkg to verified", func(ctx context.Context, t *testing.T, f *machinetest.Fleet) { figures = bringUp(ctx, t, f) }},
		{"the master's machine loses power, and comes back",
			func(ctx context.Context, t *testing.T, f *machinetest.Fleet) { f.FailOver(ctx, t) }},
	}
	for _, c := range cases {
		if !t.Run(c.name, func(t *testing.T) { c.test(ctx, t, f) }) {
			t.FailNow() // what follows builds on it
		}
	}
	return figures
}

func bringUp(ctx context.Context, t *testing.T, f *machinetest.Fleet) machinetest.Figures {
	figures := f.BringUp(ctx, t)
	f.Whole(ctx, t)
	w := f.StartWriter(ctx, t)
	w.WaitMore(ctx, t, 100)
	w.Stop().NoError(t)
	return figures
}
