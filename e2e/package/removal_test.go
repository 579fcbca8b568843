//go:build e2e

package debian

import (
	"strings"
	"time"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

// removeAndReinstall: the servers outlive the package until the machine is off, and
// nothing starts without the fence.
func removeAndReinstall(h host) {
	deb := machinetest.Package(h.ctx, h.t)
	h.install(deb)
	h.member()
	servers := []machinetest.Instance{h.unit(redis), h.unit(sentinel)}
	data := h.files("/var/lib/redfleet")
	out := h.run("apt-get", "remove", "--yes", "redfleet")
	h.says(out, "these go on running", redis, sentinel, "systemctl stop UNIT", "after the next boot", "install the package again")
	h.same(servers)
	h.data()
	for _, unit := range []string{agent, coordinator} {
		if got := h.state(unit); got != "inactive" {
			h.t.Errorf("%s is %s after a removal", unit, got)
		}
	}
	// They still end as they should (hazard D2), and Redis stays down then.
	if got := h.property(redis, "TimeoutStopUSec"); got != "2min 30s" {
		h.t.Errorf("the running server has %s to stop", got)
	}
	h.run("systemctl", "kill", "--signal=KILL", redis)
	machinetest.Eventually(h.ctx, h.t, 10*time.Second, "the killed server is down", func() bool {
		return h.state(redis) == "failed"
	})
	if out, code := h.try("systemctl", "start", redis); code == 0 {
		h.t.Errorf("a server started without the package and its fence: %s", out)
	}
	check(h.t, h.Shutdown(h.ctx))
	check(h.t, h.BootAgain(h.ctx))
	if got := h.state(redis); got != "inactive" {
		h.t.Errorf("after a boot without the package Redis is %s", got)
	}
	if got := h.files("/var/lib/redfleet"); got != data {
		h.t.Errorf("the data changed by removal and boot:\n%s\nwas\n%s", got, data)
	}
	h.says(h.install(deb), "redfleet is back")
	h.unit(agent)
	h.unit(coordinator)
	h.run("systemctl", "start", redis, sentinel)
	h.data()
	if got := h.property(redis, "Restart"); got != "always" {
		h.t.Errorf("the unit of the time without the package is still there: Restart=%s", got)
	}
}

// failedRemoval: dpkg cannot remove what another package needs; what was stopped for
// it runs again.
func failedRemoval(h host) {
	h.install(variant{version: "9999:1", fail: "prerm"}.build(h.ctx, h.t))
	h.member()
	before := []machinetest.Instance{h.unit(redis), h.unit(sentinel)}
	h.run("systemctl", "stop", agent) // as prerm does before it fails later on
	if out, code := h.try("apt-get", "remove", "--yes", "redfleet"); code == 0 {
		h.t.Errorf("it is removed although its prerm failed:\n%s", out)
	}
	h.unit(agent)
	h.same(before)
	h.audit()
	// A newer package with a good script goes over it: dpkg asks the new prerm.
	h.install(variant{version: "9999:2"}.build(h.ctx, h.t))
	h.same(before)
	h.data()
}

// purgeAndReinstall: no data and no key goes, and what is left is named.
func purgeAndReinstall(h host) {
	deb := machinetest.Package(h.ctx, h.t)
	h.install(deb)
	h.member()
	check(h.t, h.PutFile(h.ctx, "/etc/redfleet/consul.token", []byte("a token\n"), 0o600))
	check(h.t, h.PutFile(h.ctx, "/etc/systemd/system/"+redis+".d/50-local.conf", []byte("[Service]\nNice=1\n"), 0o644))
	servers := []machinetest.Instance{h.unit(redis), h.unit(sentinel)}
	data, key := h.files("/var/lib/redfleet"), h.files("/etc/redfleet/fleet.key")
	out := h.run("apt-get", "purge", "--yes", "redfleet")
	h.says(out, "a purge removes no data and no key", "/var/lib/redfleet/redis-main-6379", "/etc/redfleet/fleet.key", "/etc/redfleet/consul.token")
	h.same(servers)
	if h.files("/var/lib/redfleet") != data || h.files("/etc/redfleet/fleet.key") != key {
		h.t.Error("the purge changed data or key")
	}
	if got := h.run("sh", "-c", "find /etc /usr /run /var/log -name '*redfleet*' -not -path '/run/systemd/*' -not -name 'redfleet-test-run*' | sort"); strings.TrimSpace(got) !=
		"/etc/redfleet\n/etc/systemd/system/"+redis+".d" {
		h.t.Errorf("what is left besides data and keys:\n%s", got)
	}
	out = h.install(deb)
	h.says(out, "nothing of it runs yet", "/var/lib/redfleet has data of an earlier installation")
	h.same(servers)
	if h.files("/var/lib/redfleet") != data || h.state(agent) != "inactive" {
		h.t.Errorf("an installation over what was left changed it, or started the agent (%s)", h.state(agent))
	}
	h.data()
}
