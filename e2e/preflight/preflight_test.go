//go:build e2e

package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// cloned is the machine-id that n1 and n2 have in common from their first boot, as
// machines that were copied have.
const cloned = "0123456789abcdef0123456789abcdef"

// TestPreflight takes three machines from a bare Debian to a group that serves. The
// cases are in order: a later one finds the machines as the one before left them.
func TestPreflight(t *testing.T) {
	ctx := machinetest.Context(t, 6*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Create: func(node string, o *machine.CreateOptions) {
		if node != "n3" {
			o.Files = map[string]string{"/etc/machine-id": cloned + "\n"}
		}
	}})
	f.Install(ctx, t)
	spec := []byte(f.Spec(""))
	f.Each(t, f.Nodes, func(n *machine.Node) error { return n.PutFile(ctx, "/root/fleet.toml", spec, 0o644) })
	for _, c := range []struct {
		name string
		test func(context.Context, *testing.T, *machinetest.Fleet)
	}{
		{"all checks, before the machine has joined", testBefore}, {"a fix", testFix},
		{"a firewall that drops", testDrop}, {"a firewall that refuses", testRefuse},
		{"machines with one machine-id install nothing", testCloned}, {"what runs goes on", testFailStatic},
	} {
		if !t.Run(c.name, func(t *testing.T) { c.test(ctx, t, f) }) {
			return // what follows builds on it
		}
	}
}

// before is the command line of a machine without an agent.toml.
func before(f *machinetest.Fleet, n *machine.Node, more ...string) []string {
	args := []string{"preflight", "-o", "json", "--spec", "/root/fleet.toml", "--address", n.Address.String()}
	for _, other := range f.Others(n) {
		args = append(args, "--peer", other.Name+"="+other.Address.String())
	}
	return append(args, more...)
}

// run runs a preflight and gives its document, which its exit code has to fit.
func run(ctx context.Context, t *testing.T, f *machinetest.Fleet, n *machine.Node, args ...string) preflight.Document {
	t.Helper()
	r := f.Redfleet(ctx, t, n, args...)
	var d preflight.Document
	if err := json.Unmarshal([]byte(r.Stdout), &d); err != nil {
		t.Fatalf("%v on %s: %v: exit status %d: %s%s", args, n.Name, err, r.Code, r.Stdout, r.Stderr)
	}
	if want := map[bool]int{true: 0, false: 3}[d.OK]; r.Code != want {
		t.Errorf("ok is %v and the exit status %d", d.OK, r.Code)
	}
	return d
}

// expect looks at one check of a document.
func expect(t *testing.T, d preflight.Document, name string, status preflight.Status, found string) {
	t.Helper()
	for _, c := range d.Checks {
		if c.Name == name {
			if c.Status != status || !strings.Contains(c.Found, found) {
				t.Errorf("%s on %s: %s: %s; want %s with %q", name, d.Node, c.Status, c.Found, status, found)
			}
			return
		}
	}
	t.Errorf("%s: no such check on %s", name, d.Node)
}

func testBefore(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	n := f.Nodes[0]
	start := time.Now()
	d := run(ctx, t, f, n, before(f, n)...)
	fmt.Printf("preflight checks=%d took_s=%.2f\n", len(d.Checks), time.Since(start).Seconds())
	if len(d.Checks) != len(preflight.Names()) || d.Node != "n1" || d.Fleet != machinetest.FleetName {
		t.Errorf("%d checks of node %q, fleet %q", len(d.Checks), d.Node, d.Fleet)
	}
	for i, name := range preflight.Names() {
		if d.Checks[i].Name != name {
			t.Errorf("check %d is %s, want %s", i, d.Checks[i].Name, name)
		}
	}
	for name, found := range map[string]string{
		"spec": "redis-main-6379, sentinel-main-26379", "engine": "redis 7.0", "systemd": "systemd 252", "somaxconn": "4096",
		"nofile": "LimitNOFILE", "disk": "/var/lib/redfleet", "consul": ":8300", "ports": "free: " + n.Address.String() + ":6379",
		"reachable": "4 ports refuse", "fleet-id": "nothing", "other-redis": "none", "other-config": "as the packages bring them",
	} {
		expect(t, d, name, preflight.OK, found)
	}
	expect(t, d, "memory", preflight.Warning, "no maxmemory")
	for _, name := range []string{"rights", "clock", "names", "needrestart"} {
		expect(t, d, name, preflight.NotApplicable, "")
	}
	if r := f.Redfleet(ctx, t, n, "preflight", "--ignore", "machineid"); r.Code != 64 || !strings.Contains(r.Stderr, `did you mean "machine-id"?`) {
		t.Errorf("a slip in --ignore: %+v", r)
	}
	// A Redis that is not redfleet's, on the group's port.
	machinetest.Run(ctx, t, n, "systemctl", "start", "redis-server")
	d = run(ctx, t, f, n, before(f, n)...)
	expect(t, d, "other-redis", preflight.Warning, "redis-server (pid ")
	machinetest.Run(ctx, t, n, "systemctl", "stop", "redis-server")
}

// testFix sets net.core.somaxconn too low from the host, which is the only setting
// of the kernel that a machine has for itself here.
func testFix(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	n := f.Nodes[0]
	check(t, n.Sysctl(ctx, "net.core.somaxconn", "128"))
	expect(t, run(ctx, t, f, n, before(f, n)...), "somaxconn", preflight.Warning, "128")
	r := f.Redfleet(ctx, t, n, "preflight", "--fix") // nobody answers the question
	if !strings.Contains(r.Stderr, "sysctl -w net.core.somaxconn=4096") || !strings.Contains(r.Stderr, "nothing was set") {
		t.Errorf("a fix that nobody confirmed: %+v", r)
	}
	expect(t, run(ctx, t, f, n, before(f, n)...), "somaxconn", preflight.Warning, "128")

	// Beside the package, whose file keeps the setting, nothing is written.
	r = f.Redfleet(ctx, t, n, "preflight", "--fix", "--yes")
	machinetest.Run(ctx, t, n, "sh", "-c", "! ls /etc/sysctl.d/60-redfleet-preflight.conf 2>/dev/null")
	applied(t, r)
	// Without it the fix writes what the next boot reads.
	check(t, n.Sysctl(ctx, "net.core.somaxconn", "128"))
	machinetest.Run(ctx, t, n, "mv", "/usr/lib/sysctl.d/60-redfleet.conf", "/root/")
	r = f.Redfleet(ctx, t, n, "preflight", "--fix", "--yes")
	applied(t, r)
	text := machinetest.Run(ctx, t, n, "cat", "/etc/sysctl.d/60-redfleet-preflight.conf")
	if !strings.Contains(text, "net.core.somaxconn = 4096\n") {
		t.Errorf("the file says %q", text)
	}
	check(t, n.Sysctl(ctx, "net.core.somaxconn", "4096")) // what systemd-sysctl does at boot
	d := run(ctx, t, f, n, before(f, n)...)
	expect(t, d, "somaxconn", preflight.OK, "4096")
	machinetest.Run(ctx, t, n, "rm", "/etc/sysctl.d/60-redfleet-preflight.conf")
	machinetest.Run(ctx, t, n, "mv", "/root/60-redfleet.conf", "/usr/lib/sysctl.d/")
}

// applied: the setting is in force, or the reason why not is told; on a kernel
// that is shared it depends on the host which of the two.
func applied(t *testing.T, r machine.Result) {
	t.Helper()
	inForce := strings.Contains(r.Stderr, "net.core.somaxconn is 4096")
	refused := strings.Contains(r.Stderr, "net.core.somaxconn is still 128: sysctl -w net.core.somaxconn=4096: ")
	if inForce == refused {
		t.Errorf("the fix told neither that it worked nor why not: %s", r.Stderr)
	}
	t.Logf("in force: %v, refused: %v", inForce, refused)
}

// firewall gives a node a rule against another one for one port, and gives its
// removal.
func firewall(ctx context.Context, t *testing.T, n, from *machine.Node, port int, verdict string) (remove func()) {
	t.Helper()
	check(t, n.Nft(ctx, fmt.Sprintf("table ip firewall { chain in { type filter hook input priority 0; ip saddr %s tcp dport %d %s; }; }",
		from.Address, port, verdict)))
	return func() { check(t, n.Nft(ctx, "delete table ip firewall")) }
}

func testDrop(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	n1, n2 := f.Nodes[0], f.Nodes[1]
	heal := firewall(ctx, t, n2, n1, machinetest.RedisPort, "drop")
	d := run(ctx, t, f, n1, before(f, n1)...)
	expect(t, d, "reachable", preflight.Error, "n2 ("+n2.Address.String()+") gives no answer on TCP 6379 within 2s, and on others it does")
	d = run(ctx, t, f, n1, before(f, n1, "--ignore", "reachable")...)
	expect(t, d, "reachable", preflight.Ignored, "")
	expect(t, run(ctx, t, f, f.Nodes[2], before(f, f.Nodes[2])...), "reachable", preflight.OK, "")
	heal()
	expect(t, run(ctx, t, f, n1, before(f, n1)...), "reachable", preflight.OK, "4 ports refuse")
}

// testRefuse: a firewall that refuses looks like a port without a server, until
// preflights listen on both sides.
func testRefuse(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	n1, n2 := f.Nodes[0], f.Nodes[1]
	heal := firewall(ctx, t, n2, n1, machinetest.SentinelPort, "reject with tcp reset")
	expect(t, run(ctx, t, f, n1, before(f, n1)...), "reachable", preflight.OK, "a firewall that refuses looks the same")
	docs := listening(ctx, t, f)
	expect(t, docs["n1"], "reachable", preflight.Error, "n2 refuses TCP 26379")
	expect(t, docs["n3"], "reachable", preflight.OK, "4 ports greeted back")
	heal()
	for _, d := range listening(ctx, t, f) {
		expect(t, d, "reachable", preflight.OK, "4 ports greeted back")
		expect(t, d, "ports", preflight.OK, "free")
	}
}

// listening runs preflight --listen on all machines at the same time.
func listening(ctx context.Context, t *testing.T, f *machinetest.Fleet) map[string]preflight.Document {
	t.Helper()
	var mu sync.Mutex
	docs := map[string]preflight.Document{}
	f.Each(t, f.Nodes, func(n *machine.Node) error {
		d := run(ctx, t, f, n, before(f, n, "--listen", "6s")...)
		mu.Lock()
		defer mu.Unlock()
		docs[n.Name] = d
		return nil
	})
	return docs
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
