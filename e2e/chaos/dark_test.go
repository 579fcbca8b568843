//go:build e2e

package chaos

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/history"
)

// alone are the units that do not come back by themselves in a boot without Consul.
func alone() []string { return []string{agentUnit, coordinatorUnit} }

// dark takes the power of all machines at once and gives it back in this order. With
// no Consul, neither Consul nor redfleet's daemons start: systemd and the boot fence
// alone bring the groups back (promise fail-static), and only then the rest is
// started.
func (r *run) dark(order []*machine.Node, consul bool) *fault {
	f := off(order, 0, crash)
	f.target += ", with Consul"
	if consul {
		return f
	}
	f.target = nodeNames(order) + ", without Consul"
	f.start = func(ctx context.Context) error {
		err := each(order, func(n *machine.Node) error {
			return errors.Join(do(ctx, n, append([]string{"systemctl", "mask", "--quiet"}, alone()...)...),
				do(ctx, n, "systemctl", "disable", "--quiet", consulUnit))
		})
		return errors.Join(err, each(order, func(n *machine.Node) error { return n.PowerOff(ctx) }))
	}
	f.heal = func(ctx context.Context) error {
		if err := bootInOrder(ctx, order); err != nil {
			return err
		}
		var err error
		for _, g := range r.groups {
			if why := r.await(ctx, wholeLimit, func() string { _, why := g.oneMaster(ctx, r.Nodes); return why }); why != "" {
				err = errors.Join(err, fmt.Errorf("without Consul group %s does not come back: %s", g.name, why))
			}
		}
		return errors.Join(err, each(order, func(n *machine.Node) error {
			return errors.Join(do(ctx, n, append([]string{"systemctl", "unmask", "--quiet"}, alone()...)...),
				do(ctx, n, append([]string{"systemctl", "enable", "--quiet", "--now", consulUnit}, alone()...)...))
		}))
	}
	return f
}

// TestPowerOrders: all machines lose their power at once and start in each order,
// with and without Consul. A short run (FAULTS below the number of kinds) takes one
// order, with or without Consul, by its seed.
func TestPowerOrders(t *testing.T) {
	seed := number(t, "SEED", 1)
	var list []kind
	orders := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for i, o := range orders {
		for _, consul := range []bool{true, false} {
			if !long(t) && ((i+seed)%len(orders) != 0 || consul == (seed/len(orders)%2 == 0)) {
				continue
			}
			list = append(list, kind{"power off all", always, func(_ context.Context, r *run) (*fault, error) {
				return r.dark([]*machine.Node{r.Nodes[o[0]], r.Nodes[o[1]], r.Nodes[o[2]]}, consul), nil
			}})
		}
	}
	faults(t, uint64(seed), "power", list)
}

// TestConsulGoneForLong: Consul is gone for 5 minutes (10 s in a short run), and the
// masters crash meanwhile. Sentinel fails over, the tags are right within 5 s after
// Consul is back, and no goal is replayed.
func TestConsulGoneForLong(t *testing.T) {
	hold := 10 * time.Second
	if long(t) {
		hold = 5 * time.Minute
	}
	faults(t, uint64(number(t, "SEED", 1)), "consul", []kind{{"consul gone and master killed", always, func(ctx context.Context, r *run) (*fault, error) {
		places, err := r.masterPlaces(ctx)
		return r.consulStopped(r.Nodes, hold, places, crash), err
	}}})
}

// long tells whether this is a run of all kinds.
func long(t *testing.T) bool { return number(t, "FAULTS", 12) >= len(kinds()) }

// faults does a list of faults, one after the other, to a fleet of its own, and
// judges them.
func faults(t *testing.T, seed uint64, name string, list []kind) (history.History, history.Result) {
	ctx := machinetest.Context(t, 9*time.Minute+time.Duration(len(list))*30*time.Second)
	began := time.Now()
	r := start(ctx, t, seed)
	t.Logf("three groups on three machines serve after %.1f s", time.Since(began).Seconds())
	if why := r.await(ctx, wholeLimit, func() string { return r.whole(ctx, 0) }); why != "" {
		t.Fatalf("the fleet is not whole before the first fault: %s", why)
	}
	for i, k := range list {
		if !r.inject(ctx, i+1, k) {
			t.Errorf("after fault %d of %d the fleet is not whole: the others are left out", i+1, len(list))
			break
		}
	}
	h := r.history(fmt.Sprintf("make chaos: %s, seed %d, %d faults", name, seed, len(list)))
	result := history.Check(h)
	r.write(name, figures(name, seed, h, result, time.Since(began)), h, result)
	for _, v := range result.Violations {
		t.Error(v)
	}
	if len(result.Violations) > 0 {
		r.journals(ctx, name)
	}
	t.Logf("took %.0f s in all", time.Since(began).Seconds())
	return h, result
}
