//go:build e2e

package distro

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

const server, sentinel = "redis-server.service", "redis-sentinel.service"

// TestDistributionsUnits: the package's own Redis runs on all machines before
// redfleet comes. Where it is empty and unused it is stopped and masked, also one
// with a password. Where it holds a key it is left alone, nothing of redfleet is
// installed, and the message leads on; nothing is lost on the way.
func TestDistributionsUnits(t *testing.T) {
	ctx := machinetest.Context(t, 5*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{})
	empty, locked, used := f.Nodes[0], f.Nodes[1], f.Nodes[2]
	machinetest.Run(ctx, t, empty, "systemctl", "enable", "--quiet", "--now", server, sentinel)
	machinetest.Run(ctx, t, locked, "/bin/sh", "-c", "echo requirepass geheim >>/etc/redis/redis.conf && systemctl enable --quiet --now "+server)
	machinetest.Run(ctx, t, used, "systemctl", "enable", "--quiet", "--now", server)
	machinetest.Run(ctx, t, used, "redis-cli", "SET", "theirs", "precious")
	before := machinetest.Unit(ctx, t, used, server)

	f.Install(ctx, t)
	f.Join(ctx, t)
	check := preflightOf(ctx, t, f, empty)
	if check.Status != preflight.OK || !strings.Contains(check.Found, server) || !strings.Contains(check.Found, sentinel) {
		t.Errorf("preflight says of unused units: %+v", check)
	}
	f.Apply(ctx, t, f.Spec(""))
	for n, units := range map[*machine.Node][]string{empty: {server, sentinel}, locked: {server}} {
		for _, unit := range units {
			machinetest.Eventually(ctx, t, time.Minute, unit+" of "+n.Name+" is masked and down", func() bool {
				return masked(ctx, n, unit)
			})
		}
	}
	machinetest.Eventually(ctx, t, time.Minute, "the fleet's history tells of it", func() bool {
		r := f.Redfleet(ctx, t, empty, "events")
		return strings.Contains(r.Stdout, server+" was stopped and masked") && strings.Contains(r.Stdout, "systemctl unmask")
	})

	var said string
	machinetest.Eventually(ctx, t, time.Minute, "the journal of "+used.Name+" tells what is in the way", func() bool {
		said = machinetest.Run(ctx, t, used, "journalctl", "--no-pager", "--quiet", "--output=cat", "--unit=redfleet-agent.service")
		return strings.Contains(said, "distribution: "+server+": it holds 1 key") &&
			strings.Contains(said, "systemctl disable --now redis-server") && !strings.Contains(said, "geheim")
	})
	if after := machinetest.Unit(ctx, t, used, server); after != before {
		t.Errorf("the used server was touched: it was %+v, is %+v", before, after)
	}
	if got := machinetest.Run(ctx, t, used, "redis-cli", "GET", "theirs"); strings.TrimSpace(got) != "precious" {
		t.Errorf("its key is now %q", got)
	}
	if i := machinetest.Unit(ctx, t, used, machinetest.RedisUnit()); i.PID != 0 {
		t.Errorf("an instance was installed beside it")
	}

	// What the message says: save it, and free the port.
	machinetest.Run(ctx, t, used, "redis-cli", "SAVE")
	machinetest.Run(ctx, t, used, "systemctl", "disable", "--quiet", "--now", server)
	sum := machinetest.Run(ctx, t, used, "sha256sum", "/var/lib/redis/dump.rdb")
	f.WaitServing(ctx, t)
	if now := machinetest.Run(ctx, t, used, "sha256sum", "/var/lib/redis/dump.rdb"); now != sum {
		t.Errorf("the data file was %s, is %s", sum, now)
	}
	machinetest.Run(ctx, t, empty, "systemctl", "unmask", "--quiet", server) // as the message says
	machinetest.Run(ctx, t, empty, "systemctl", "start", server)
}

// TestValkeysUnits: Debian's Valkey has units and files of its own names.
func TestValkeysUnits(t *testing.T) {
	ctx := machinetest.Context(t, 4*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Nodes: 1, Suite: "trixie"})
	n := f.Nodes[0]
	f.Install(ctx, t)
	machinetest.Run(ctx, t, n, "systemctl", "start", "valkey-server.service")
	if check := preflightOf(ctx, t, f, n); check.Status != preflight.OK || !strings.Contains(check.Found, "valkey-server.service: unused") {
		t.Errorf("preflight says of an unused valkey-server: %+v", check)
	}
	machinetest.Run(ctx, t, n, "valkey-cli", "SET", "theirs", "precious")
	if check := preflightOf(ctx, t, f, n); check.Status != preflight.Warning || !strings.Contains(check.Found, "valkey-server.service: it holds 1 key") {
		t.Errorf("preflight says of a used valkey-server: %+v", check)
	}
}

// preflightOf is what `redfleet preflight` finds of the distribution's units.
func preflightOf(ctx context.Context, t *testing.T, f *machinetest.Fleet, n *machine.Node) preflight.Result {
	t.Helper()
	r := f.Redfleet(ctx, t, n, "preflight", "-o", "json")
	var doc preflight.Document
	if err := json.Unmarshal([]byte(r.Stdout), &doc); err != nil {
		t.Fatalf("redfleet preflight: exit status %d: %v\n%s%s", r.Code, err, r.Stdout, r.Stderr)
	}
	for _, c := range doc.Checks {
		if c.Name == "distribution" {
			return c
		}
	}
	t.Fatalf("no check of that name:\n%s", r.Stdout)
	return preflight.Result{}
}

// masked: the unit is masked and has no process. A machine whose systemd is just
// reading its files again may refuse the question; then the answer is no.
func masked(ctx context.Context, n *machine.Node, unit string) bool {
	r, err := n.Run(ctx, "systemctl", "show", "--value", "--property=UnitFileState,MainPID", unit)
	return err == nil && slices.Contains(strings.Fields(r.Stdout), "masked") && slices.Contains(strings.Fields(r.Stdout), "0")
}
