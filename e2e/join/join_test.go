//go:build e2e

package join

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

const (
	management = "11111111-2222-3333-4444-555555555555"
	fleetName  = "shop"
)

// denying is Consul's configuration for ACLs with a default policy of deny. Its own
// agents have a token, to be in the catalog.
const denying = `{"acl": {"enabled": true, "default_policy": "deny", "enable_token_persistence": false,
  "tokens": {"initial_management": "` + management + `", "agent": "` + management + `"}}}`

// site is three fresh machines and an operator's folder on the host.
type site struct {
	*machinetest.Fleet
	binary, dir, management string
}

func newSite(ctx context.Context, t *testing.T) *site {
	t.Helper()
	deb := machinetest.Package(ctx, t)
	s := &site{dir: filepath.Join(t.TempDir(), fleetName), management: filepath.Join(t.TempDir(), "management.token")}
	s.Fleet = machinetest.New(ctx, t, machinetest.Options{Engines: machine.NoEngines, Create: func(_ string, o *machine.CreateOptions) {
		o.Files = map[string]string{"/etc/consul.d/20-acl.json": denying}
	}})
	s.Install(ctx, t)
	unpacked := t.TempDir()
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", deb, unpacked).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.binary = filepath.Join(unpacked, "usr/bin/redfleet")
	if err := os.WriteFile(s.management, []byte(management+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A Consul without data has a leader before that one has made the token.
	machinetest.Eventually(ctx, t, time.Minute, "Consul knows the management token", func() bool {
		r, err := s.Nodes[0].Run(ctx, "consul", "acl", "token", "read", "-self", "-token", management)
		return err == nil && r.Code == 0
	})
	return s
}

// host runs redfleet on the operator's machine, which reaches the first node's Consul.
func (s *site) host(ctx context.Context, t *testing.T, args ...string) machine.Result {
	t.Helper()
	r, err := s.Lab.Run(ctx, append([]string{s.binary}, append(args, "--consul", s.Nodes[0].ConsulAddress())...)...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *site) token(title string) string { return filepath.Join(s.dir, "tokens", title+".token") }

// copyTo brings what a node needs to join, as scp would.
func (s *site) copyTo(ctx context.Context, t *testing.T, n *machine.Node) {
	t.Helper()
	for to, from := range map[string]string{
		"/root/fleet.key": filepath.Join(s.dir, "fleet.key"), "/root/agent.token": s.token("agent-" + n.Name),
		"/root/coordinator.token": s.token("coordinator"),
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.PutFile(ctx, to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// joinArgs is the one command by which a node joins.
func joinArgs(more ...string) []string {
	return append([]string{"redfleet", "join", "--key", "/root/fleet.key", "--token-file", "/root/agent.token",
		"--coordinator", "--coordinator-token-file", "/root/coordinator.token"}, more...)
}

// want checks how a command ended.
func want(t *testing.T, r machine.Result, code int, text string) {
	t.Helper()
	if r.Code != code || !strings.Contains(r.Stdout+r.Stderr, text) {
		t.Errorf("exit status %d, want %d and %q in\n%s%s", r.Code, code, text, r.Stdout, r.Stderr)
	}
}

// TestJoin: from fresh machines without an engine to a verified group, with Consul
// denying by default, each machine by one command and under its shipped token; what
// cannot go well is refused before anything is written; once more is harmless.
func TestJoin(t *testing.T) {
	ctx := machinetest.Context(t, 5*time.Minute)
	s := newSite(ctx, t)
	var nodes []string
	for _, n := range s.Nodes {
		nodes = append(nodes, fmt.Sprintf("%s=%s", n.Name, n.Address))
	}
	want(t, s.host(ctx, t, "init", "--fleet", fleetName, "--dir", s.dir, "--nodes", strings.Join(nodes, ","), "--token-file", s.management),
		0, "made   Consul's policy redfleet-shop-viewer")
	for _, n := range s.Nodes {
		s.copyTo(ctx, t, n)
	}
	s.refusedBefore(ctx, t)
	s.engineComesAlone(ctx, t)

	began := time.Now()
	s.Each(t, s.Nodes, func(n *machine.Node) error {
		r, err := n.Run(ctx, joinArgs("--install-engine")...)
		if err == nil && (r.Code != 0 || !strings.Contains(r.Stdout, "is a member of fleet shop, at "+n.Address.String())) {
			err = fmt.Errorf("join on %s: exit status %d:\n%s%s", n.Name, r.Code, r.Stdout, r.Stderr)
		}
		return err
	})
	t.Logf("three machines joined, engines installed, in %.1f s", time.Since(began).Seconds())
	s.noServerOfTheDistribution(ctx, t)

	want(t, s.host(ctx, t, "apply", filepath.Join(s.dir, "fleet.toml"), "--key", filepath.Join(s.dir, "fleet.key"), "--token-file", s.token("operator")), 0, "applied")
	var last machine.Result
	machinetest.Eventually(ctx, t, machinetest.ServingLimit, "verify, as a viewer", func() bool {
		last = s.host(ctx, t, "verify", "--fleet", fleetName, "--token-file", s.token("viewer"))
		return last.Code == 0
	})
	t.Logf("verified %.1f s after the first join", time.Since(began).Seconds())
	machinetest.Eventually(ctx, t, 10*time.Second, "events, as a viewer, tell of it", func() bool {
		last = s.host(ctx, t, "events", "--fleet", fleetName, "--token-file", s.token("viewer"))
		return last.Code == 0 && strings.Contains(last.Stdout, "state is serving")
	})
	want(t, s.host(ctx, t, "apply", changed(t, s.dir), "--key", filepath.Join(s.dir, "fleet.key"), "--token-file", s.token("viewer")),
		1, `missing right key "redfleet/shop/spec" write`)
	s.onceMore(ctx, t)
	s.refusedAfter(ctx, t)
	for _, n := range s.Nodes {
		for _, unit := range []string{"redfleet-agent", "redfleet-coordinator"} {
			if journal, err := n.Journal(ctx, unit); err != nil || strings.Contains(journal, "refused the token") {
				t.Errorf("Consul refused something to %s on %s (%v):\n%s", unit, n.Name, err, journal)
			}
		}
	}
}

// changed is the fleet's spec with one more group, which can be made.
func changed(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "fleet.toml"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "more.toml")
	more := string(text) + "\n[[group]]\nname = \"more\"\nnodes = [\"n1\", \"n2\", \"n3\"]\nport = 7000\n[group.sentinel]\nport = 27000\n"
	if err := os.WriteFile(path, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refusedBefore: each of these is told, and leaves the machine as it was.
func (s *site) refusedBefore(ctx context.Context, t *testing.T) {
	t.Helper()
	n := s.Nodes[0]
	before := s.etc(ctx, t, n)
	for name, tt := range map[string]struct {
		args []string
		code int
		text string
	}{
		"no engine":          {joinArgs(), 1, "--install-engine"},
		"Consul unreachable": {joinArgs("--consul", "127.0.0.1:1"), 6, "start the Consul agent of this machine"},
		"another fleet":      {joinArgs("--fleet", "other"), 1, `is the key of fleet "shop"`},
		"another node's":     {joinArgs("--node", "n2"), 1, `key "redfleet/shop/report/n2" write`},
		"no such address":    {joinArgs("--address", "203.0.113.9"), 1, "does not have the address 203.0.113.9"},
		"a loopback address": {joinArgs("--address", "127.0.0.1"), 1, "no other machine reaches this one"},
		"no token":           {[]string{"redfleet", "join", "--key", "/root/fleet.key"}, 1, "no token was given"},
		"no key":             {[]string{"redfleet", "join"}, 64, "--key FILE"},
		"a key that is not":  {[]string{"redfleet", "join", "--key", "/root/agent.token"}, 1, "is no age key"},
		"an unknown check":   {joinArgs("--ignore", "enginee"), 64, "did you mean"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := n.Run(ctx, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			want(t, r, tt.code, tt.text)
			if after := s.etc(ctx, t, n); after != before {
				t.Errorf("the machine's files are\n%s\nand were\n%s", after, before)
			}
		})
	}
}

// engineComesAlone: apt is no child of redfleet, and goes on when that one is killed;
// the next join waits for it (hazard M5). What apt cannot do is told with its journal.
func (s *site) engineComesAlone(ctx context.Context, t *testing.T) {
	t.Helper()
	const unit = "redfleet-engine-install.service"
	n := s.Nodes[2]
	r, err := n.Run(ctx, joinArgs("--install-engine", "--engine", "valkey")...) // which bookworm does not have
	if err != nil {
		t.Fatal(err)
	}
	want(t, r, 1, "journalctl -u "+unit)
	script := "\"$@\" & p=$!; until [ \"$(systemctl is-active " + unit + ")\" = activating ]; do kill -0 $p || exit 9; sleep 0.05; done; " +
		"kill -9 $p; wait $p; systemctl is-active " + unit + "; true"
	if r, err = n.Run(ctx, append([]string{"bash", "-c", script, "join"}, joinArgs("--install-engine")...)...); err != nil {
		t.Fatal(err)
	}
	want(t, r, 0, "activating")
}

// etc is what joining would change: the files, and whether units are enabled.
func (s *site) etc(ctx context.Context, t *testing.T, n *machine.Node) string {
	t.Helper()
	return machinetest.Run(ctx, t, n, "sh", "-c",
		"cd /etc/redfleet && ls -l --full-time && cat *.toml && ls /etc/systemd/system /etc/systemd/system/multi-user.target.wants")
}

// noServerOfTheDistribution: the package's own units were masked before it came, and
// nothing listens on the standard ports (hazard E2).
func (s *site) noServerOfTheDistribution(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, n := range s.Nodes {
		for _, unit := range []string{"redis-server.service", "redis-sentinel.service"} {
			r, err := n.Run(ctx, "systemctl", "is-enabled", unit)
			if err != nil || strings.TrimSpace(r.Stdout) != "masked" {
				t.Errorf("%s on %s is %q, %v", unit, n.Name, strings.TrimSpace(r.Stdout), err)
			}
		}
		if out := machinetest.Run(ctx, t, n, "ss", "-Hltn", "sport = :6379 or sport = :26379"); out != "" {
			t.Errorf("on %s something listens: %s", n.Name, out)
		}
		if out := machinetest.Run(ctx, t, n, "sh", "-c", "journalctl -q -o cat -u redis-server -u redis-sentinel"); strings.Contains(out, "Started") {
			t.Errorf("on %s the distribution's server was started:\n%s", n.Name, out)
		}
	}
}

// onceMore: the same command again changes no file, restarts no instance, and ends
// well.
func (s *site) onceMore(ctx context.Context, t *testing.T) {
	t.Helper()
	n := s.Nodes[1]
	files := machinetest.Run(ctx, t, n, "sh", "-c", "cd /etc/redfleet && ls -l --full-time")
	redis := machinetest.Unit(ctx, t, n, "redfleet-redis@main-6379.service")
	r, err := n.Run(ctx, joinArgs("--install-engine")...)
	if err != nil {
		t.Fatal(err)
	}
	want(t, r, 0, "node n2 is a member of fleet shop")
	if now := machinetest.Run(ctx, t, n, "sh", "-c", "cd /etc/redfleet && ls -l --full-time"); now != files {
		t.Errorf("the files are\n%s\nand were\n%s", now, files)
	}
	if now := machinetest.Unit(ctx, t, n, redis.Unit); now != redis || now.PID == 0 {
		t.Errorf("Redis is %+v and was %+v", now, redis)
	}
}

// refusedAfter: a key of another fleet of the same name, and a name that another
// machine has.
func (s *site) refusedAfter(ctx context.Context, t *testing.T) {
	t.Helper()
	other := filepath.Join(t.TempDir(), "other")
	r, err := s.Lab.Run(ctx, s.binary, "init", "--fleet", fleetName, "--dir", other, "--nodes", "n1=198.51.100.11,n2=198.51.100.12,n3=198.51.100.13")
	if err != nil {
		t.Fatal(err)
	}
	want(t, r, 0, "made")
	key, err := os.ReadFile(filepath.Join(other, "fleet.key"))
	if err != nil {
		t.Fatal(err)
	}
	n := s.Nodes[2]
	if err := n.PutFile(ctx, "/root/other.key", key, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = n.Run(ctx, "redfleet", "join", "--key", "/root/other.key", "--token-file", "/root/agent.token"); err != nil {
		t.Fatal(err)
	}
	want(t, r, 1, `is not the key of fleet "shop"`)

	// A clone of n1, which comes with n1's token and name.
	token, err := os.ReadFile(s.management)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.PutFile(ctx, "/root/all.token", token, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = n.Run(ctx, "redfleet", "join", "--key", "/root/fleet.key", "--token-file", "/root/all.token", "--node", "n1"); err != nil {
		t.Fatal(err)
	}
	want(t, r, 5, "an agent at "+s.Nodes[0].Address.String())
	want(t, r, 5, "this machine is at "+n.Address.String())
}
