//go:build e2e

package boot

import (
	"context"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// group is three machines that serve, and all writes that must outlive what
// happens to them.
type group struct {
	*machinetest.Fleet
	password string
	kept     machinetest.Writes
}

// TestBoots takes one group through one boot after the other. After each it has
// to be whole, with one master that all sentinels name, and with every write.
func TestBoots(t *testing.T) {
	ctx := machinetest.Context(t, 10*time.Minute)
	g := &group{Fleet: machinetest.New(ctx, t, machinetest.Options{})}
	g.BringUp(ctx, t)
	g.password = g.Password(ctx, t)
	for _, c := range []struct {
		name string
		test func(context.Context, *testing.T, *group)
	}{
		{"each machine is rebooted", eachRebooted},
		{"two machines lose their power, the master's among them", twoLosePower},
		{"all machines lose their power", allLosePower},
		{"all machines boot without Consul and without an agent", allBootAlone},
		{"the master's machine boots where it reaches nobody", bootsCutOff},
		{"the master's process is killed", masterKilled},
		{"the agents are killed and frozen", agentsGone},
	} {
		ok := t.Run(c.name, func(t *testing.T) {
			g.write(ctx, t)
			began := time.Now()
			c.test(ctx, t, g)
			t.Logf("took %.1f s", time.Since(began).Seconds())
			g.WaitServing(ctx, t)
			g.Whole(ctx, t)
			g.Keeps(ctx, t, g.kept, g.kept.Acknowledged[len(g.kept.Acknowledged)-1])
		})
		if !ok {
			return // what follows builds on it
		}
	}
}

// write writes for a moment and waits until each server has it all, on disk too.
func (g *group) write(ctx context.Context, t *testing.T) {
	t.Helper()
	w := g.StartWriter(ctx, t)
	w.WaitMore(ctx, t, 200)
	g.kept = w.Stop()
	g.kept.NoError(t)
	g.Settled(ctx, t, g.password)
	g.Keeps(ctx, t, g.kept, g.kept.Acknowledged[len(g.kept.Acknowledged)-1])
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eachRebooted reboots one machine after the other in good order, the master's
// too: it hands over, and comes back as a replica.
func eachRebooted(ctx context.Context, t *testing.T, g *group) {
	for _, n := range g.Nodes {
		was := g.Settled(ctx, t, g.password)
		must(t, n.Shutdown(ctx))
		must(t, n.BootAgain(ctx))
		now := g.Settled(ctx, t, g.password)
		if n != was && now != was {
			t.Errorf("the reboot of a replica's machine, %s, moved the master from %s to %s", n.Name, was.Name, now.Name)
		}
		t.Logf("%s rebooted: the master was %s, is %s", n.Name, was.Name, now.Name)
	}
}

// twoLosePower: the one that stays is a minority, and must not become master.
func twoLosePower(ctx context.Context, t *testing.T, g *group) {
	master := g.Settled(ctx, t, g.password)
	off := []*machine.Node{master, g.Others(master)[0]}
	g.Each(t, off, func(n *machine.Node) error { return n.PowerOff(ctx) })
	g.Each(t, off, func(n *machine.Node) error { return n.BootAgain(ctx) })
	g.Settled(ctx, t, g.password)
}

// allLosePower: everything comes back at once, and the old master goes on, since
// nobody can have been elected meanwhile.
func allLosePower(ctx context.Context, t *testing.T, g *group) {
	was := g.Settled(ctx, t, g.password)
	g.Each(t, g.Nodes, func(n *machine.Node) error { return n.PowerOff(ctx) })
	began := time.Now()
	g.Each(t, g.Nodes, func(n *machine.Node) error { return n.BootAgain(ctx) })
	now := g.Settled(ctx, t, g.password)
	t.Logf("from power on to whole: %.1f s; the master was %s, is %s", time.Since(began).Seconds(), was.Name, now.Name)
}
