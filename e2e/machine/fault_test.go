//go:build e2e

package machine

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pings tells whether the peer answers one of three pings.
func pings(ctx context.Context, t *testing.T, from, to *Node) bool {
	t.Helper()
	r, err := from.Run(ctx, "ping", "-c", "3", "-i", "0.2", "-w", "1", "-q", to.Address.String())
	check(t, err)
	return r.Code == 0
}

// reaches tells whether the peer answers pings, now or soon: where it has to, one second
// of a busy host without an answer says nothing.
func reaches(ctx context.Context, t *testing.T, from, to *Node) bool {
	t.Helper()
	return soon(ctx, func() bool { return pings(ctx, t, from, to) })
}

// soon tells whether it holds, now or within 10 s.
func soon(ctx context.Context, holds func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for !holds() {
		if sleep(ctx, 50*time.Millisecond) != nil {
			return false
		}
	}
	return true
}

// received is how many pings the node's kernel has seen.
func received(ctx context.Context, t *testing.T, n *Node) int {
	t.Helper()
	return counted(ctx, t, n, "InEchos")
}

// counted is one of the counters that the node's kernel has for ICMP.
func counted(ctx context.Context, t *testing.T, n *Node, name string) int {
	t.Helper()
	text := run(ctx, t, n, "awk", "-v", "name="+name,
		`/^Icmp:/ { if (seen) print $at; else for (i = 1; i <= NF; i++) if ($i == name) at = i; seen = 1 }`, "/proc/net/snmp")
	count, err := strconv.Atoi(strings.TrimSpace(text))
	check(t, err)
	return count
}

// testNoWayOut shows that nothing leads out of the lab's network.
func testNoWayOut(ctx context.Context, t *testing.T, nodes []*Node) {
	r, err := nodes[0].lab.Run(ctx, "ip", "-brief", "link")
	check(t, err)
	for line := range strings.Lines(r.Stdout) {
		switch name, _, _ := strings.Cut(strings.Fields(line)[0], "@"); name {
		case "lo", bridge, "n1", "n2", "n3":
		default:
			t.Errorf("there is a link %s in the lab's network", name)
		}
	}
	if r, err := nodes[0].Run(ctx, "ping", "-c", "1", "-w", "1", "192.0.2.1"); err != nil || r.Code == 0 {
		t.Errorf("an address outside: %+v, %v", r, err)
	}
}

func testCut(ctx context.Context, t *testing.T, nodes []*Node) {
	n1, n2, n3 := nodes[0], nodes[1], nodes[2]
	if !reaches(ctx, t, n1, n2) {
		t.Fatal("n2 does not answer n1 before the cut")
	}
	check(t, n2.Cut(ctx))
	if pings(ctx, t, n1, n2) || pings(ctx, t, n2, n3) {
		t.Error("n2 is cut off, and a ping comes through")
	}
	if !reaches(ctx, t, n1, n3) {
		t.Error("n1 and n3 are not cut, and n3 does not answer")
	}
	if state := run(ctx, t, n2, "ip", "-brief", "link", "show", "host0"); strings.Fields(state)[1] != "UP" {
		t.Errorf("the cut is to be silent, and n2's link is %s", state)
	}
	check(t, n2.Heal(ctx))
	if !reaches(ctx, t, n1, n2) {
		t.Error("n2 does not answer after healing")
	}
}

func testOneWay(ctx context.Context, t *testing.T, nodes []*Node) {
	n1, n2 := nodes[0], nodes[1]
	check(t, n1.lab.CutOneWay(ctx, n1, n2))
	at1, at2 := received(ctx, t, n1), received(ctx, t, n2)
	if pings(ctx, t, n1, n2) || pings(ctx, t, n2, n1) {
		t.Error("an answer came, though one direction is cut")
	}
	if now := received(ctx, t, n2); now != at2 {
		t.Errorf("%d pings of n1 reached n2", now-at2)
	}
	if !soon(ctx, func() bool { return received(ctx, t, n1) > at1 }) {
		t.Error("no ping of n2 reached n1: the open direction is closed too")
	}
	check(t, n1.Heal(ctx))
	if !reaches(ctx, t, n1, n2) {
		t.Error("n2 does not answer after healing")
	}
	if n1.lab.CutOneWay(ctx, n1, n1) == nil {
		t.Error("a node is cut from itself")
	}
}

func testFreeze(ctx context.Context, t *testing.T, nodes []*Node) {
	n1, n3 := nodes[0], nodes[2]
	check(t, n3.Freeze(ctx))
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if r, err := n3.Run(short, "true"); err == nil {
		t.Errorf("a frozen node ran a command: %+v", r)
	}
	if !reaches(ctx, t, n1, n3) {
		t.Error("a frozen node's kernel does not answer pings")
	}
	check(t, n3.Thaw(ctx))
	run(ctx, t, n3, "true")
}

// identity is what tells a machine and its boot.
func identity(ctx context.Context, t *testing.T, n *Node) (machine, boot string) {
	t.Helper()
	return run(ctx, t, n, "cat", "/etc/machine-id"), run(ctx, t, n, "cat", "/proc/sys/kernel/random/boot_id")
}

func sameMachineNewBoot(ctx context.Context, t *testing.T, n *Node, machine, boot string) {
	t.Helper()
	newMachine, newBoot := identity(ctx, t, n)
	if newMachine != machine || newBoot == boot {
		t.Errorf("machine-id %q → %q, boot %q → %q", machine, newMachine, boot, newBoot)
	}
}

func testPowerOff(ctx context.Context, t *testing.T, nodes []*Node) {
	n1, n3 := nodes[0], nodes[2]
	machine, boot := identity(ctx, t, n3)
	if other, _ := identity(ctx, t, n1); other == machine {
		t.Error("two nodes have the same machine-id")
	}
	run(ctx, t, n3, "sh", "-c", "echo kept >/root/kept; echo kept >/var/lib/redis/kept")
	check(t, n3.PowerOff(ctx))
	if pings(ctx, t, n1, n3) {
		t.Error("a node without power answers")
	}
	if _, err := n3.Run(ctx, "true"); err == nil {
		t.Error("a node without power runs a command")
	}
	if n3.PowerOff(ctx) == nil {
		t.Error("a node without power is powered off")
	}
	check(t, n3.PutFile(ctx, "/etc/put-while-off", []byte("put"), 0o640))
	check(t, n3.BootAgain(ctx))
	if n3.Boot(ctx) == nil {
		t.Error("a node that runs is booted")
	}
	sameMachineNewBoot(ctx, t, n3, machine, boot)
	if got := run(ctx, t, n3, "cat", "/root/kept", "/var/lib/redis/kept", "/etc/put-while-off"); got != "kept\nkept\nput" {
		t.Errorf("after the boot the files hold %q", got)
	}
	if !reaches(ctx, t, n1, n3) {
		t.Error("the node does not answer after its boot")
	}
	// Frozen machines lose their power too.
	check(t, n3.Freeze(ctx))
	check(t, n3.PowerOff(ctx))
	check(t, n3.BootAgain(ctx))
}

func testShutdown(ctx context.Context, t *testing.T, nodes []*Node) {
	n := nodes[2]
	machine, boot := identity(ctx, t, n)
	check(t, n.Shutdown(ctx))
	check(t, n.BootAgain(ctx))
	sameMachineNewBoot(ctx, t, n, machine, boot)
	text, err := n.Journal(ctx, "consul.service")
	if err != nil || !strings.Contains(text, "Stopped consul.service") {
		t.Errorf("Consul was not stopped in order: %v\n%s", err, tail(text, 5))
	}
	_, boot = identity(ctx, t, n)
	run(ctx, t, n, "systemctl", "--no-block", "reboot")
	check(t, n.WaitOff(ctx))
	check(t, n.BootAgain(ctx))
	sameMachineNewBoot(ctx, t, n, machine, boot)
}
