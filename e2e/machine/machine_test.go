//go:build e2e

package machine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMachines takes three nodes, all servers of Consul, through all that the
// harness can do to them. The cases are in order: a later one finds the nodes as
// the one before left them.
func TestMachines(t *testing.T) {
	ctx := untilInterrupt(t)
	l := newLab(ctx, t, Options{})
	nodes, figures := bringUp(ctx, t, l, 3)
	cases := []struct {
		name string
		test func(context.Context, *testing.T, []*Node)
	}{
		{"commands", testCommands}, {"few capabilities", testCapabilities}, {"files", testFiles}, {"journal", testJournal},
		{"no way out", testNoWayOut}, {"cut", testCut}, {"one-way cut", testOneWay}, {"disturbed line", testDisturbed}, {"freeze", testFreeze},
		{"power off", testPowerOff}, {"shutdown", testShutdown}, {"full disk", testFullDisk}, {"broken disk", testBrokenDisk}, {"Consul's leader loses power", testConsul},
	}
	ran := 0
	for _, c := range cases {
		ran++
		if !t.Run(c.name, func(t *testing.T) { c.test(ctx, t, nodes) }) {
			t.FailNow()
		}
	}
	start := time.Now()
	each(t, nodes, func(n *Node) error { return n.Destroy(ctx) })
	fmt.Printf("machines nodes=%d %s destroy_s=%.2f cases=%d\n", len(nodes), figures, time.Since(start).Seconds(), ran)
}

// bringUp creates and boots nodes and waits for Consul; it tells how long that took.
func bringUp(ctx context.Context, t *testing.T, l *Lab, count int) ([]*Node, string) {
	t.Helper()
	start := time.Now()
	var nodes []*Node
	for i := range count {
		n, err := l.Create(ctx, "n"+strconv.Itoa(i+1), CreateOptions{
			Files:      map[string]string{"/etc/redfleet-test": "first\n"},
			Consul:     ConsulServer,
			SmallDisks: map[string]int64{"/var/lib/redis": 4 << 20},
			BlockDisks: map[string]int64{"/srv/block": 16 << 20},
		})
		check(t, err)
		nodes = append(nodes, n)
	}
	created := time.Now()
	each(t, nodes, func(n *Node) error { return n.Boot(ctx) })
	each(t, nodes, func(n *Node) error { return n.WaitRunning(ctx) })
	booted := time.Now()
	leader, err := nodes[0].WaitConsulLeader(ctx)
	check(t, err)
	t.Logf("Consul's leader is %s", leader)
	return nodes, fmt.Sprintf("create_s=%.3f boot_s=%.2f leader_s=%.2f",
		created.Sub(start).Seconds(), booted.Sub(created).Seconds(), time.Since(booted).Seconds())
}

// each does the same with all nodes at once.
func each(t *testing.T, nodes []*Node, do func(*Node) error) {
	t.Helper()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { errs[i] = do(n) })
	}
	all.Wait()
	for _, err := range errs {
		check(t, err)
	}
}

func testCommands(ctx context.Context, t *testing.T, nodes []*Node) {
	n := nodes[0]
	for _, c := range []struct {
		name, stdout, stderr string
		argv                 []string
		code                 int
	}{
		{name: "root", argv: []string{"id", "-u"}, stdout: "0\n"},
		{name: "its own name", argv: []string{"hostname"}, stdout: "n1\n"},
		{name: "status and both outputs", argv: []string{"sh", "-c", "echo out; echo err >&2; exit 3"}, stdout: "out\n", stderr: "err\n", code: 3},
		{name: "words stay words", argv: []string{"printf", "%s|", "a b", "$HOME", "%n"}, stdout: "a b|$HOME|%n|"},
		{name: "a file from the beginning", argv: []string{"cat", "/etc/redfleet-test"}, stdout: "first\n"},
		{name: "its own first process", argv: []string{"cat", "/proc/1/comm"}, stdout: "systemd\n"},
		{name: "peers have names", argv: []string{"getent", "hosts", "n3"}, stdout: "198.51.100.13   n3\n"},
	} {
		r, err := n.Run(ctx, c.argv...)
		if want := (Result{Stdout: c.stdout, Stderr: c.stderr, Code: c.code}); err != nil || r != want {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, r, err, want)
		}
	}
	if r, err := n.Run(ctx, "no-such-command"); err != nil || r.Code != 127 {
		t.Errorf("a command that is not there: %+v, %v", r, err)
	}
	r, err := n.RunInput(ctx, strings.NewReader("said"), "cat")
	if err != nil || r.Stdout != "said" {
		t.Errorf("standard input: %+v, %v", r, err)
	}
	// Its context ends when it runs for certain.
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := n.Run(short, "sleep", "60")
		ended <- err
	}()
	if !soon(ctx, func() bool { r, err := n.Run(ctx, "pgrep", "-x", "sleep"); return err == nil && r.Code == 0 }) {
		t.Error("the command does not run")
	}
	cancel()
	if <-ended == nil {
		t.Error("a command outlasts its context without an error")
	}
	if !soon(ctx, func() bool { r, err := n.Run(ctx, "pgrep", "-x", "sleep"); return err == nil && r.Code == 1 }) {
		t.Error("a command goes on after its context")
	}
}

// testCapabilities shows that no command in a node can set the host's clock or load
// a module.
func testCapabilities(ctx context.Context, t *testing.T, nodes []*Node) {
	text := run(ctx, t, nodes[0], "grep", "CapBnd", "/proc/self/status")
	bounding, err := strconv.ParseUint(strings.Fields(text)[1], 16, 64)
	check(t, err)
	for name, number := range map[string]int{"CAP_SYS_MODULE": 16, "CAP_SYS_RAWIO": 17, "CAP_SYS_TIME": 25, "CAP_BPF": 39} {
		if bounding&(1<<number) != 0 {
			t.Errorf("a command in a node has %s (bounding set %x)", name, bounding)
		}
	}
}

func testFiles(ctx context.Context, t *testing.T, nodes []*Node) {
	n := nodes[0]
	for _, content := range []string{"one", strings.Repeat("two\x00\n", 100_000)} {
		check(t, n.PutFile(ctx, "/etc/redfleet/deep/key", []byte(content), 0o600))
		if got := run(ctx, t, n, "cat", "/etc/redfleet/deep/key"); got != content {
			t.Errorf("%d bytes were put, %d came back", len(content), len(got))
		}
	}
	if got := run(ctx, t, n, "stat", "-c", "%a %U", "/etc/redfleet/deep/key"); got != "600 root\n" {
		t.Errorf("the file is %q", got)
	}
	if got := run(ctx, t, n, "ls", "/etc/redfleet/deep"); got != "key\n" {
		t.Errorf("beside the file is something else: %q", got)
	}
	// What another node writes is not seen here: each has its own overlay.
	if r, err := nodes[1].Run(ctx, "ls", "/etc/redfleet"); err != nil || r.Code == 0 {
		t.Errorf("a file of n1 is on n2: %+v, %v", r, err)
	}
	if err := n.PutFile(ctx, "relative", nil, 0o600); err == nil {
		t.Error("a relative path is taken")
	}
}

func testJournal(ctx context.Context, t *testing.T, nodes []*Node) {
	run(ctx, t, nodes[0], "systemd-run", "--quiet", "--wait", "--unit=hello", "echo", "hello from n1")
	var text string
	if !soon(ctx, func() (has bool) { // journald writes down what it got a little later
		var err error
		text, err = nodes[0].Journal(ctx, "hello.service")
		return err == nil && strings.Contains(text, "hello from n1")
	}) {
		t.Fatalf("the journal has %q", text)
	}
}

func testFullDisk(ctx context.Context, t *testing.T, nodes []*Node) {
	n := nodes[1]
	write := []string{"setpriv", "--reuid=redis", "--regid=redis", "--clear-groups",
		"dd", "if=/dev/zero", "of=/var/lib/redis/some", "bs=4k", "count=1"}
	run(ctx, t, n, write...)
	run(ctx, t, n, "rm", "/var/lib/redis/some")
	check(t, n.FillDisk(ctx, "/var/lib/redis"))
	r, err := n.Run(ctx, write...)
	if err != nil || r.Code == 0 || !strings.Contains(r.Stderr, "No space left on device") {
		t.Errorf("writing to the full disk: %+v, %v", r, err)
	}
	check(t, n.FreeDisk("/var/lib/redis"))
	run(ctx, t, n, write...)
	if err := n.FillDisk(ctx, "/etc"); err == nil {
		t.Error("a folder that is no small disk is filled")
	}
}

// testBrokenDisk: the disk is read-only at once, also for a file that is open, keeps
// what was synced, and is as before after a repair with the node off.
func testBrokenDisk(ctx context.Context, t *testing.T, nodes []*Node) {
	n, disk := nodes[2], "/srv/block"
	write := []string{"dd", "if=/dev/zero", "of=" + disk + "/new", "bs=4k", "count=1", "conv=fsync"}
	run(ctx, t, n, "dd", "if=/dev/zero", "of="+disk+"/synced", "bs=4k", "count=1", "conv=fsync")
	run(ctx, t, n, "systemd-run", "--quiet", "--unit=holds-a-file", "--property=Restart=no", "--", "/bin/sh", "-c",
		"exec 3>"+disk+"/open; while echo more >&3; do sleep 0.05; done; exit 7")
	check(t, n.BreakDisk(disk))
	r, err := n.Run(ctx, write...)
	if err != nil || r.Code == 0 || !strings.Contains(r.Stderr, "Read-only file system") {
		t.Errorf("writing to the broken disk: %+v, %v", r, err)
	}
	if !soon(ctx, func() bool {
		r, err := n.Run(ctx, "systemctl", "is-failed", "holds-a-file")
		return err == nil && r.Code == 0
	}) {
		t.Fatal("who had a file open goes on writing")
	}
	if err := n.RepairDisk(ctx, disk); err == nil {
		t.Error("a disk is repaired under a running node")
	}
	if err := n.BreakDisk("/var/lib/redis"); err == nil {
		t.Error("a disk in memory is broken")
	}
	check(t, n.PowerOff(ctx))
	check(t, n.RepairDisk(ctx, disk))
	check(t, n.BootAgain(ctx))
	run(ctx, t, n, "test", "-s", disk+"/synced")
	run(ctx, t, n, write...)
}

// testConsul takes the power from Consul's leader and sees the two others agree on
// a new one.
func testConsul(ctx context.Context, t *testing.T, nodes []*Node) {
	old, err := nodes[0].WaitConsulLeader(ctx)
	check(t, err)
	var dead *Node
	var others []*Node
	for _, n := range nodes {
		if strings.HasPrefix(old, n.Address.String()+":") {
			dead = n
		} else {
			others = append(others, n)
		}
	}
	if dead == nil {
		t.Fatalf("the leader %s is none of the nodes", old)
	}
	check(t, dead.PowerOff(ctx))
	for {
		first, err := others[0].WaitConsulLeader(ctx)
		check(t, err)
		second, err := others[1].WaitConsulLeader(ctx)
		check(t, err)
		if first == second && first != old {
			break
		}
		check(t, sleep(ctx, 50*time.Millisecond))
	}
	check(t, dead.BootAgain(ctx))
	_, err = dead.WaitConsulLeader(ctx)
	check(t, err)
}
