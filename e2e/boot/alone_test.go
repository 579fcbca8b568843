//go:build e2e

package boot

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// daemons are redfleet's own units.
func daemons() []string {
	return []string{"redfleet-agent.service", "redfleet-coordinator.service"}
}

// do runs a command on a node that has to succeed.
func do(ctx context.Context, n *machine.Node, argv ...string) error {
	r, err := n.Run(ctx, argv...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s on %s: exit status %d: %s", strings.Join(argv, " "), n.Name, r.Code, r.Stderr)
	}
	return err
}

// allBootAlone: neither Consul nor an agent starts at this boot, so that systemd
// and the boot fence alone bring the group back (promise fail-static).
func allBootAlone(ctx context.Context, t *testing.T, g *group) {
	was := g.Settled(ctx, t, g.password)
	g.Each(t, g.Nodes, func(n *machine.Node) error {
		if err := do(ctx, n, append([]string{"systemctl", "mask", "--quiet"}, daemons()...)...); err != nil {
			return err
		}
		if err := do(ctx, n, "systemctl", "disable", "--quiet", "consul.service"); err != nil {
			return err
		}
		return n.PowerOff(ctx)
	})
	began := time.Now()
	g.Each(t, g.Nodes, func(n *machine.Node) error { return n.BootAgain(ctx) })
	master := g.Settled(ctx, t, g.password)
	t.Logf("from power on to whole, alone: %.1f s", time.Since(began).Seconds())
	for _, n := range g.Nodes {
		for _, unit := range append(daemons(), "consul.service") {
			if i := machinetest.Unit(ctx, t, n, unit); i.PID != 0 {
				t.Errorf("%s runs on %s, so this boot showed nothing", unit, n.Name)
			}
		}
		// A master whose machine boots seconds later than two others finds sentinels that
		// may have counted it out, and a replica promoted that had started as its own.
		role := "starts as a replica of " + was.Address.String()
		if n == was {
			role = "starts as the master"
		}
		said := fenceSaid(ctx, t, n)
		follows := master != was && strings.Contains(said, "starts as a replica of "+master.Address.String())
		if !strings.Contains(said, role) && !follows {
			t.Errorf("the fence of %s said nothing of %q; the master was %s and is %s:\n%s", n.Name, role, was.Name, master.Name, said)
		}
	}
	g.Each(t, g.Nodes, func(n *machine.Node) error {
		if err := do(ctx, n, append([]string{"systemctl", "unmask", "--quiet"}, daemons()...)...); err != nil {
			return err
		}
		return do(ctx, n, append([]string{"systemctl", "enable", "--quiet", "--now", "consul.service"}, daemons()...)...)
	})
}

// fenceSaid is what the unit of the node's server wrote since the node booted.
func fenceSaid(ctx context.Context, t *testing.T, n *machine.Node) string {
	t.Helper()
	return machinetest.Run(ctx, t, n, "journalctl", "--no-pager", "--quiet", "--boot", "--output=cat", "--unit="+machinetest.RedisUnit())
}

// bootsCutOff: the others have elected another master while it was off, and it
// cannot know. It must not start as what its file says, and follows once it can
// ask.
func bootsCutOff(ctx context.Context, t *testing.T, g *group) {
	old := g.Settled(ctx, t, g.password)
	must(t, old.PowerOff(ctx))
	now := g.WaitOtherMaster(ctx, t, old)
	must(t, old.Cut(ctx))
	must(t, old.BootAgain(ctx))
	machinetest.Eventually(ctx, t, time.Minute, "the fence has refused once and is run again", func() bool {
		return strings.Count(fenceSaid(ctx, t, old), "nothing is started") >= 1
	})
	if i := machinetest.Unit(ctx, t, old, machinetest.RedisUnit()); i.PID != 0 {
		t.Errorf("a server runs on %s, which reaches nobody:\n%s", old.Name, fenceSaid(ctx, t, old))
	}
	if said := fenceSaid(ctx, t, old); !strings.Contains(said, "the rule no-majority") {
		t.Errorf("the fence did not say why:\n%s", said)
	}
	must(t, old.Heal(ctx))
	if again := g.Settled(ctx, t, g.password); again != now {
		t.Errorf("the master moved from %s to %s", now.Name, again.Name)
	}
	// A Consul server that booted alone takes minutes until it tries its peers again.
	must(t, do(ctx, old, "systemctl", "restart", "consul.service"))
}

// masterKilled: systemd starts the server again after a second; it must wait for
// the failover instead of being a second master (hazards S20, D1).
func masterKilled(ctx context.Context, t *testing.T, g *group) {
	old := g.Settled(ctx, t, g.password)
	w := g.StartWriter(ctx, t)
	w.WaitMore(ctx, t, 200)
	safe := w.Last()
	must(t, do(ctx, old, "systemctl", "kill", "--signal=KILL", machinetest.RedisUnit()))
	w.WaitMore(ctx, t, 200)
	now := g.Settled(ctx, t, g.password)
	if now == old {
		t.Errorf("%s was master again at once, though replicas could be promoted", old.Name)
	}
	writes := w.Stop()
	g.Keeps(ctx, t, writes, safe)
	// With failover on evidence another is master before systemd starts the old one
	// again; else the fence waits for Sentinel's own failover first.
	if said := fenceSaid(ctx, t, old); !strings.Contains(said, "by the rule follow") {
		t.Errorf("the fence of %s did not make it a replica:\n%s", old.Name, said)
	}
	t.Logf("no write was acknowledged for %.1f s; %d acknowledged, %d errors", writes.Gap.Seconds(), len(writes.Acknowledged), len(writes.Failed))
}

// agentsGone: no server or sentinel notices that the agents are killed and frozen.
func agentsGone(ctx context.Context, t *testing.T, g *group) {
	g.Settled(ctx, t, g.password)
	before := g.Runs(ctx, t)
	agents := map[string]machinetest.Instance{}
	for _, n := range g.Nodes {
		agents[n.Name] = machinetest.Unit(ctx, t, n, "redfleet-agent.service")
	}
	w := g.StartWriter(ctx, t)
	kill := func(signal string) {
		g.Each(t, g.Nodes, func(n *machine.Node) error {
			return do(ctx, n, "systemctl", "kill", "--signal="+signal, "redfleet-agent.service")
		})
	}
	kill("KILL")
	for _, n := range g.Nodes {
		machinetest.Eventually(ctx, t, time.Minute, "systemd has started the agent of "+n.Name+" again", func() bool {
			i := machinetest.Unit(ctx, t, n, "redfleet-agent.service")
			return i.PID != 0 && i.Invocation != agents[n.Name].Invocation
		})
	}
	kill("STOP")
	w.WaitMore(ctx, t, 500)
	kill("CONT")
	w.Stop().NoError(t)
	machinetest.SameRuns(t, before, g.Runs(ctx, t))
}
