//go:build e2e

package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

// TestBringUp takes fresh machines to a verified group.
func TestBringUp(t *testing.T) {
	ctx := machinetest.Context(t, 4*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{})
	start := time.Now()
	f.Install(ctx, t)
	f.Join(ctx, t)
	applied := time.Now()
	f.Apply(ctx, t, f.Spec(""))
	f.WaitServing(ctx, t)
	fmt.Printf("install_to_serving_s=%.2f apply_to_serving_s=%.2f\n", time.Since(start).Seconds(), time.Since(applied).Seconds())
	w := f.StartWriter(ctx, t)
	w.WaitMore(ctx, t, 100)
	w.Stop().NoError(t)
}
