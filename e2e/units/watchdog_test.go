//go:build e2e

package units

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

const (
	agentUnit       = "redfleet-agent.service"
	coordinatorUnit = "redfleet-coordinator.service"
)

// shortWatchdog makes systemd lose its patience earlier than the shipped 30 s.
func shortWatchdog(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	t.Helper()
	f.Each(t, f.Nodes, func(n *machine.Node) error {
		for _, unit := range []string{agentUnit, coordinatorUnit} {
			text := "[Service]\nWatchdogSec=8s\nTimeoutAbortSec=3s\n"
			if err := n.PutFile(ctx, "/etc/systemd/system/"+unit+".d/50-test.conf", []byte(text), 0o644); err != nil {
				return err
			}
		}
		_, err := n.Run(ctx, "systemctl", "daemon-reload")
		return err
	})
}

// statusText: each daemon says in a line how it is. What it says is of its last pass,
// so a moment that was not good may show for a while.
func statusText(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	said := func(n *machine.Node, unit string) string {
		r, err := n.Run(ctx, "systemctl", "show", "--property=StatusText", unit)
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(r.Stdout)
	}
	var agents, coordinators []string
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the agents say %q, the coordinators %q", agents, coordinators)
		}
	})
	machinetest.Eventually(ctx, t, 20*time.Second, "every daemon says how it is, one coordinator that it leads", func() bool {
		agents, coordinators = nil, nil
		leads, good := 0, true
		for _, n := range f.Nodes {
			agent, coordinator := said(n, agentUnit), said(n, coordinatorUnit)
			agents, coordinators = append(agents, agent), append(coordinators, coordinator)
			good = good && strings.Contains(agent, "2 of 2 instances run")
			if strings.Contains(coordinator, "leads, 1 of 1 groups serve") {
				leads++
			} else if !strings.Contains(coordinator, "waits for the lease") {
				good = false
			}
		}
		return good && leads == 1
	})
}

// watchdog: an agent that is killed, frozen, or whose loop hangs, is restarted by
// systemd, and so is a frozen coordinator; no instance notices.
func watchdog(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	instances := f.Runs(ctx, t)
	before := map[*machine.Node]machinetest.Instance{}
	for _, n := range f.Nodes {
		before[n] = machinetest.Unit(ctx, t, n, agentUnit)
	}
	coordinators := []machinetest.Instance{
		machinetest.Unit(ctx, t, f.Nodes[0], coordinatorUnit), machinetest.Unit(ctx, t, f.Nodes[1], coordinatorUnit),
	}
	signal(ctx, t, f.Nodes[0], "KILL", before[f.Nodes[0]])
	signal(ctx, t, f.Nodes[1], "STOP", before[f.Nodes[1]])
	signal(ctx, t, f.Nodes[0], "STOP", coordinators[0])
	release := hang(ctx, t, f.Nodes[2])
	awaitAnother(ctx, t, f.Nodes[0], before[f.Nodes[0]])
	awaitAnother(ctx, t, f.Nodes[1], before[f.Nodes[1]])
	awaitAnother(ctx, t, f.Nodes[2], before[f.Nodes[2]])
	awaitAnother(ctx, t, f.Nodes[0], coordinators[0])
	release()
	for i, unit := range map[int]string{1: agentUnit, 2: agentUnit, 0: coordinatorUnit} {
		if journal, err := f.Nodes[i].Journal(ctx, unit); err != nil || !strings.Contains(journal, "Watchdog timeout") {
			t.Errorf("%s of %s was not restarted by the watchdog: %v", unit, f.Nodes[i].Name, err)
		}
	}
	// The control: what went on working was left alone.
	if now := machinetest.Unit(ctx, t, f.Nodes[1], coordinatorUnit); now != coordinators[1] {
		t.Errorf("the coordinator of %s was restarted without need: %+v, now %+v", f.Nodes[1].Name, coordinators[1], now)
	}
	f.WaitServing(ctx, t)
	machinetest.SameRuns(t, instances, f.Runs(ctx, t))
}

func signal(ctx context.Context, t *testing.T, n *machine.Node, name string, unit machinetest.Instance) {
	t.Helper()
	machinetest.Run(ctx, t, n, "kill", "-"+name, strconv.Itoa(unit.PID))
}

// hang puts a pipe that nobody writes to in place of a file that the agent's loop
// reads in each pass; the loop then waits for ever. release puts the file back.
func hang(ctx context.Context, t *testing.T, n *machine.Node) (release func()) {
	t.Helper()
	const script = `cd /var/lib/redfleet/state/instances && cp redis-main-6379.json /root/kept && mkfifo pipe && mv pipe redis-main-6379.json`
	machinetest.Run(ctx, t, n, "/bin/sh", "-c", script)
	return func() {
		machinetest.Run(ctx, t, n, "mv", "/root/kept", "/var/lib/redfleet/state/instances/redis-main-6379.json")
		machinetest.Eventually(ctx, t, 30*time.Second, "the agent of "+n.Name+" works again", func() bool {
			r, err := n.Run(ctx, "systemctl", "is-active", agentUnit)
			return err == nil && r.Code == 0
		})
	}
}

// awaitAnother waits until the unit is another process than before.
func awaitAnother(ctx context.Context, t *testing.T, n *machine.Node, before machinetest.Instance) {
	t.Helper()
	start := time.Now()
	machinetest.Eventually(ctx, t, 40*time.Second, before.Unit+" of "+n.Name+" is restarted", func() bool {
		now := machinetest.Unit(ctx, t, n, before.Unit)
		return now.PID != 0 && now.PID != before.PID
	})
	t.Logf("%s of %s was restarted, seen after %.1f s", before.Unit, n.Name, time.Since(start).Seconds())
}
