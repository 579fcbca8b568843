//go:build e2e

package debian

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// On each Debian every way in which a package comes, changes and goes, each on a
// machine of its own.
func TestMaintainerScriptsBookworm(t *testing.T) { maintainerScripts(t, "bookworm") }
func TestMaintainerScriptsTrixie(t *testing.T)   { maintainerScripts(t, "trixie") }

func maintainerScripts(t *testing.T, suite string) {
	t.Parallel()
	ctx := machinetest.Context(t, 5*time.Minute)
	log := logrus.New()
	log.SetOutput(t.Output())
	lab, err := machine.New(ctx, machine.Options{Suite: suite, Log: log})
	check(t, err)
	t.Cleanup(func() { check(t, lab.Close()) })
	for _, c := range []struct {
		name, node string
		test       func(host)
	}{
		{"a fresh machine, and again", "fresh", freshInstall},
		{"no systemd running", "plain", withoutSystemd},
		{"the distribution's redis serves with data", "distro", distributionsRedis},
		{"upgrade", "upgrade", upgrade},
		{"an upgrade that fails", "failed", failedUpgrade},
		{"a conffile that was changed", "conffile", changedConffile},
		{"remove, boot, reinstall", "remove", removeAndReinstall},
		{"a removal that fails", "abort", failedRemoval},
		{"purge, and install over what it left", "purge", purgeAndReinstall},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := lab.Create(ctx, c.node, machine.CreateOptions{})
			check(t, err)
			check(t, n.Boot(ctx))
			check(t, n.WaitRunning(ctx))
			c.test(host{n, ctx, t})
			check(t, n.Destroy(ctx))
		})
	}
}

func freshInstall(h host) {
	deb := machinetest.Package(h.ctx, h.t)
	h.says(h.install(deb), "nothing of it runs yet", "redfleet join")
	for unit, want := range map[string]string{agent: "disabled", coordinator: "disabled", redis: "disabled", sentinel: "disabled"} {
		if got, _ := h.try("systemctl", "is-enabled", unit); strings.TrimSpace(got) != want {
			h.t.Errorf("%s is %s", unit, got)
		}
	}
	if got := h.run("systemctl", "list-units", "--no-legend", "--plain", "--all", "redfleet-agent*", "redfleet-coordinator*", "redfleet-redis*", "redfleet-sentinel*"); got != "" {
		h.t.Errorf("units run after an installation alone: %s", got)
	}
	for path, want := range map[string]string{
		"/var/lib/redfleet": "755 root", "/run/redfleet": "755 root", "/etc/redfleet": "755 root", "/etc/redfleet/agent.toml": "644 root",
	} {
		if got := strings.TrimSpace(h.run("stat", "-c", "%a %U", path)); got != want {
			h.t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	h.says(h.run("getent", "passwd", "redfleet"), "/var/lib/redfleet:/usr/sbin/nologin")
	h.says(h.run("redfleet", "version"), "redfleet ")
	// Again the same: as after a broken disk, or by mistake.
	before := h.files("/etc")
	h.install(deb)
	if after := h.files("/etc"); after != before {
		h.t.Error("installing the same package again changes /etc")
	}
}

// withoutSystemd installs into the machine's file system as if nothing ran there:
// as an image's builder does.
func withoutSystemd(h host) {
	deb := h.put(machinetest.Package(h.ctx, h.t))
	h.run("mount", "--bind", "/", "/mnt") // without /run, /proc and /dev
	out := h.run("chroot", "/mnt", "dpkg", "--install", deb)
	h.says(out, "systemd does not run here", "redfleet join")
	h.run("chroot", "/mnt", "dpkg", "--remove", "redfleet")
	h.run("chroot", "/mnt", "dpkg", "--install", deb)
	h.run("umount", "/mnt")
	h.audit()
	h.run("getent", "passwd", "redfleet")
	h.run("systemctl", "daemon-reload")
	h.member()
	for _, unit := range []string{agent, coordinator, redis, sentinel} {
		h.unit(unit)
	}
}

func distributionsRedis(h host) {
	h.run("systemctl", "start", "redis-server.service")
	h.run("redis-cli", "set", "theirs", "precious")
	h.run("redis-cli", "save")
	before := h.unit("redis-server.service")
	out := h.install(machinetest.Package(h.ctx, h.t))
	h.says(out, "redis-server.service of the distribution runs here and was left alone, with its data", "is refused on this machine")
	if after := h.unit("redis-server.service"); after != before {
		h.t.Errorf("the distribution's server was %+v and is %+v", before, after)
	}
	// What the message says, redfleet does.
	spec := "[fleet]\nname = \"shop\"\n[[group]]\nname = \"main\"\ntopology = \"replication\"\nnodes = [\"distro\", \"n2\"]\n"
	check(h.t, h.PutFile(h.ctx, "/root/fleet.toml", []byte(spec), 0o644))
	text, code := h.try("redfleet", "preflight", "--spec", "/root/fleet.toml", "--node", h.Name, "--address", h.Address.String(),
		"--peer", "n2=198.51.100.250", "-o", "json")
	refused := regexp.MustCompile(`(?s)"name": *"distribution",\s*"status": *"error".*?redis-server\.service`)
	if code != 3 || !refused.MatchString(text) {
		h.t.Errorf("redfleet preflight, exit status %d, does not refuse port 6379:\n%s", code, text)
	}
	h.run("apt-get", "purge", "--yes", "redfleet")
	if got := h.run("redis-cli", "get", "theirs"); got != "precious\n" || h.unit("redis-server.service") != before {
		h.t.Errorf("the distribution's data is %q after a purge of redfleet", got)
	}
}

func upgrade(h host) {
	h.install(machinetest.Package(h.ctx, h.t))
	h.member()
	servers := []machinetest.Instance{h.unit(redis), h.unit(sentinel)}
	daemons := []machinetest.Instance{h.unit(agent), h.unit(coordinator)}
	h.install(variant{version: "9999:1"}.build(h.ctx, h.t))
	h.same(servers)
	for _, was := range daemons {
		if is := h.unit(was.Unit); is.PID == was.PID || is.Invocation == was.Invocation {
			h.t.Errorf("%s is not restarted by an upgrade: %+v", was.Unit, is)
		}
		exe := strings.TrimSpace(h.run("readlink", "/proc/"+h.property(was.Unit, "MainPID")+"/exe"))
		if exe != "/usr/bin/redfleet" { // else " (deleted)"
			h.t.Errorf("%s runs %s", was.Unit, exe)
		}
	}
	// What somebody stopped on purpose stays stopped; what may not be restarted is not.
	h.run("systemctl", "stop", coordinator)
	before := h.unit(agent)
	check(h.t, h.PutFile(h.ctx, "/usr/sbin/policy-rc.d", []byte("#!/bin/sh\nexit 101\n"), 0o755))
	h.install(variant{version: "9999:2"}.build(h.ctx, h.t))
	if got := h.state(coordinator); got != "inactive" {
		h.t.Errorf("a coordinator that was stopped is %s after an upgrade", got)
	}
	h.same(append(servers, before))
	// The scripts of the engine's own package, as its upgrade runs them.
	check(h.t, h.PutFile(h.ctx, "/usr/sbin/policy-rc.d", []byte("#!/bin/sh\nexit 0\n"), 0o755))
	h.run("env", "DPKG_ROOT=", "dpkg-reconfigure", "redis-server")
	h.same(append(servers, before))
	h.data()
}

// same fails the test for each unit that is not the process that it was.
func (h host) same(before []machinetest.Instance) {
	h.t.Helper()
	for _, was := range before {
		if is := h.unit(was.Unit); is != was {
			h.t.Errorf("%s was %+v and is %+v", was.Unit, was, is)
		}
	}
}

func failedUpgrade(h host) {
	h.install(machinetest.Package(h.ctx, h.t))
	h.member()
	before := []machinetest.Instance{h.unit(redis), h.unit(sentinel), h.unit(agent), h.unit(coordinator)}
	version := h.run("dpkg-query", "--show", "redfleet")
	// Before anything is unpacked: all is as it was.
	out, code := h.try("dpkg", "--install", h.put(variant{version: "9999:1", fail: "preinst"}.build(h.ctx, h.t)))
	if code == 0 {
		h.t.Errorf("a package whose preinst fails is installed:\n%s", out)
	}
	h.audit()
	h.same(before)
	if got := h.run("dpkg-query", "--show", "redfleet"); got != version {
		h.t.Errorf("after the failed upgrade it is %q, before it was %q", got, version)
	}
	// After it: dpkg says so, the servers go on, and the next package mends it.
	if out, code := h.try("dpkg", "--install", h.put(variant{version: "9999:2", fail: "postinst"}.build(h.ctx, h.t))); code == 0 {
		h.t.Errorf("a package whose postinst fails is installed:\n%s", out)
	}
	h.says(h.run("dpkg", "--audit"), "redfleet")
	h.same(before)
	h.install(variant{version: "9999:3"}.build(h.ctx, h.t))
	h.same(before[:2])
	if is := h.unit(agent); is == before[2] {
		h.t.Error("the agent is not of the package that mended it")
	}
	h.data()
}

func changedConffile(h host) {
	h.install(machinetest.Package(h.ctx, h.t))
	h.member()
	mine := h.run("cat", "/etc/redfleet/agent.toml")
	before := []machinetest.Instance{h.unit(redis), h.unit(sentinel)}
	// The package's own file is the same in both versions: nobody is asked.
	h.install(variant{version: "9999:1"}.build(h.ctx, h.t))
	// It is another one, and there is nobody who can be asked: dpkg stops, and says at
	// which file.
	newer := h.put(variant{version: "9999:2", conffile: "# new in this version\n"}.build(h.ctx, h.t))
	out, code := h.try("dpkg", "--install", newer)
	if code == 0 {
		h.t.Errorf("dpkg replaced or kept a changed file without being told:\n%s", out)
	}
	h.says(out, "/etc/redfleet/agent.toml")
	h.same(before)
	h.unit(agent)
	// As unattended-upgrades is told to: mine stays, theirs lies beside it.
	h.run("dpkg", "--configure", "--force-confold", "redfleet")
	h.audit()
	if got := h.run("cat", "/etc/redfleet/agent.toml"); got != mine {
		h.t.Errorf("agent.toml was changed by an upgrade:\n%s", got)
	}
	h.says(h.run("cat", "/etc/redfleet/agent.toml.dpkg-dist"), "# new in this version")
	h.same(before)
	h.unit(agent)
	h.data()
}
