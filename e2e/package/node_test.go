//go:build e2e

package debian

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/secret"
)

// host is a machine of a test, with the context and the test that use it.
type host struct {
	*machine.Node
	ctx context.Context
	t   *testing.T
}

// run runs a command that has to succeed and gives what it wrote.
func (h host) run(argv ...string) string {
	h.t.Helper()
	out, code := h.try(argv...)
	if code != 0 {
		h.t.Fatalf("%s on %s: exit status %d:\n%s", strings.Join(argv, " "), h.Name, code, out)
	}
	return out
}

// try runs a command and gives all that it wrote, and its exit status.
func (h host) try(argv ...string) (string, int) {
	h.t.Helper()
	argv = append([]string{"env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"}, argv...)
	r, err := h.Run(h.ctx, argv...)
	check(h.t, err)
	return r.Stdout + r.Stderr, r.Code
}

// put gives the machine a package and the path that it has there.
func (h host) put(deb string) string {
	h.t.Helper()
	text, err := os.ReadFile(deb)
	check(h.t, err)
	to := path.Join("/root", filepath.Base(deb))
	check(h.t, h.PutFile(h.ctx, to, text, 0o644))
	return to
}

// install is dpkg -i, which has to succeed.
func (h host) install(deb string) string {
	h.t.Helper()
	out := h.run("dpkg", "--install", h.put(deb))
	h.audit()
	return out
}

// audit: dpkg knows of nothing that is only half done.
func (h host) audit() {
	h.t.Helper()
	if out := h.run("dpkg", "--audit"); out != "" {
		h.t.Errorf("dpkg --audit: %s", out)
	}
}

// says checks what a message tells.
func (h host) says(out string, want ...string) {
	h.t.Helper()
	for _, text := range want {
		if !strings.Contains(out, text) {
			h.t.Errorf("the message does not say %q:\n%s", text, out)
		}
	}
}

// property is one of a unit's in systemd.
func (h host) property(unit, name string) string {
	h.t.Helper()
	return strings.TrimSpace(h.run("systemctl", "show", "--value", "--property="+name, unit))
}

func (h host) state(unit string) string { h.t.Helper(); return h.property(unit, "ActiveState") }

// unit is how it runs now; two that are equal are the same process.
func (h host) unit(name string) machinetest.Instance {
	h.t.Helper()
	i := machinetest.Unit(h.ctx, h.t, h.Node, name)
	if i.PID == 0 {
		h.t.Errorf("%s does not run on %s:\n%s", name, h.Name, h.run("systemctl", "status", "--no-pager", name))
	}
	return i
}

const (
	agent       = "redfleet-agent.service"
	coordinator = "redfleet-coordinator.service"
	redis       = "redfleet-redis@main-6379.service"
	sentinel    = "redfleet-sentinel@main-26379.service"
)

// member makes a machine with the package one that is in a fleet, as far as that
// can be seen from one machine with no Consul: both daemons enabled and running,
// a Redis with data and a Sentinel. The fence is another verb that needs the
// package as it does, and can say yes alone.
func (h host) member() {
	h.t.Helper()
	key, err := secret.GenerateKey()
	check(h.t, err)
	file := filepath.Join(h.t.TempDir(), "fleet.key")
	check(h.t, key.WriteKey(file))
	text, err := os.ReadFile(file)
	check(h.t, err)
	dropIn := "[Service]\nExecStartPre=\nExecStartPre=+/usr/bin/redfleet version\n"
	for name, content := range map[string]string{
		"/etc/redfleet/agent.toml":                                fmt.Sprintf("fleet = \"shop\"\nnode = %q\naddress = %q\n", h.Name, h.Address),
		"/etc/redfleet/coordinator.toml":                          fmt.Sprintf("fleet = \"shop\"\nname = %q\n", h.Name),
		"/etc/systemd/system/" + redis + ".d/10-redfleet.conf":    dropIn,
		"/etc/systemd/system/" + sentinel + ".d/10-redfleet.conf": "[Service]\n",
		"/var/lib/redfleet/redis-main-6379/redis.conf": "port 6379\nbind 127.0.0.1\nsupervised systemd\ndir /var/lib/redfleet/redis-main-6379\n" +
			"appendonly yes\nappendfsync always\n",
		"/var/lib/redfleet/sentinel-main-26379/sentinel.conf": "port 26379\nbind 127.0.0.1\nsupervised systemd\ndir /var/lib/redfleet/sentinel-main-26379\n" +
			"sentinel monitor main 127.0.0.1 6379 1\n",
	} {
		check(h.t, h.PutFile(h.ctx, name, []byte(content), 0o644))
	}
	check(h.t, h.PutFile(h.ctx, "/etc/redfleet/fleet.key", text, 0o600))
	h.run("sh", "-c", "cd /var/lib/redfleet && chown -R redfleet: redis-main-6379 sentinel-main-26379 && chmod 0700 redis-main-6379 sentinel-main-26379")
	h.run("systemctl", "daemon-reload")
	if out, code := h.try("systemctl", "enable", "--quiet", "--now", redis, sentinel, agent, coordinator); code != 0 {
		h.t.Fatalf("the machine cannot be made a member: %s\n%s", out, h.run("journalctl", "--no-pager", "--boot", "--lines=60"))
	}
	h.run("redis-cli", "set", "kept", "data")
}

// data fails the test unless Redis runs with what member wrote.
func (h host) data() {
	h.t.Helper()
	if got := strings.TrimSpace(h.run("redis-cli", "get", "kept")); got != "data" {
		h.t.Errorf("the key that was written is %q now", got)
	}
}

// files are all paths below a folder, with owners, modes and sums: what must not
// change.
func (h host) files(dir string) string {
	h.t.Helper()
	return h.run("sh", "-c", `find "$1" -type f | sort | xargs -d '\n' sha256sum; find "$1" -printf '%p %m %u\n' | sort`, "sh", dir)
}
