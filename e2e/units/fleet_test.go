//go:build e2e

package units

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// TestFleet brings a group up under the shipped units, and looks at what they
// promise: hardened and still able to do all that Redis does, files that are their
// user's alone, daemons that say how they are and whose end touches no instance.
func TestFleet(t *testing.T) {
	if machinetest.Inside() {
		stopInside(t)
		return
	}
	ctx := machinetest.Context(t, 3*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{})
	f.Install(ctx, t)
	shortWatchdog(ctx, t, f)
	f.Join(ctx, t)
	f.Apply(ctx, t, f.Spec(""))
	f.WaitServing(ctx, t)
	t.Run("security", func(t *testing.T) { security(ctx, t, f.Nodes[0]) })
	t.Run("hardened", func(t *testing.T) { hardened(ctx, t, f) })
	t.Run("files", func(t *testing.T) { files(ctx, t, f.Nodes[0]) })
	t.Run("status", func(t *testing.T) { statusText(ctx, t, f) })
	t.Run("watchdog", func(t *testing.T) { watchdog(ctx, t, f) })
	t.Run("refuses to end", func(t *testing.T) { refusesToEnd(ctx, t, f.Nodes[2]) })
}

// TestTrixie does the same with the newest systemd: one machine, topology
// replication, the instances' logs in files.
func TestTrixie(t *testing.T) {
	ctx := machinetest.Context(t, 3*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Suite: "trixie", Nodes: 1})
	n := f.Nodes[0]
	f.Install(ctx, t)
	f.Join(ctx, t)
	machinetest.Run(ctx, t, n, "/bin/sh", "-c", `sed -i '1i instance_log = "file"' /etc/redfleet/agent.toml && systemctl restart redfleet-agent`)
	f.Apply(ctx, t, fmt.Sprintf("[fleet]\nname = %q\n\n[[group]]\nname = %q\ntopology = \"replication\"\nnodes = [\"n1\"]\n",
		machinetest.FleetName, machinetest.GroupName))
	f.WaitServing(ctx, t)
	t.Run("security", func(t *testing.T) { security(ctx, t, n) })
	t.Run("files", func(t *testing.T) { files(ctx, t, n) })
	t.Run("log", func(t *testing.T) { logFile(ctx, t, f) })
}

// security holds each unit, as it is loaded with its drop-ins, to its limit of
// systemd-analyze, which must also understand every line of it.
func security(ctx context.Context, t *testing.T, n *machine.Node) {
	r, err := n.Run(ctx, "systemd-analyze", "verify", "--man=no", agentUnit, coordinatorUnit, machinetest.RedisUnit(), machinetest.SentinelUnit())
	if check(t, err); r.Code != 0 || strings.Contains(r.Stderr, "redfleet-") {
		t.Errorf("systemd-analyze verify: exit status %d: %s", r.Code, r.Stderr)
	}
	limits := map[string]float64{
		machinetest.RedisUnit(): 2.5, machinetest.SentinelUnit(): 2.5,
		coordinatorUnit: 1.5, agentUnit: 3.0,
	}
	for unit, limit := range limits {
		out := machinetest.Run(ctx, t, n, "systemd-analyze", "security", "--no-pager", unit)
		_, rest, found := strings.Cut(out, "Overall exposure level for "+unit+": ")
		var level float64
		if _, err := fmt.Sscanf(rest, "%f", &level); err != nil || !found {
			t.Fatalf("systemd-analyze says of %s: %s", unit, out)
		}
		t.Logf("%s: exposure %.1f, at most %.1f", unit, level, limit)
		if level > limit || level == 0 {
			t.Errorf("%s has an exposure of %.1f, at most %.1f is promised:\n%s", unit, level, limit, out)
		}
	}
}

// hardened: what Redis does to its files and peers still works inside the sandbox.
func hardened(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	password := f.Password(ctx, t)
	for _, n := range f.Nodes {
		c := direct(t, f, n, password)
		for _, command := range []string{"CONFIG REWRITE", "BGSAVE", "BGREWRITEAOF"} {
			words := strings.Fields(command)
			argv := make([]any, len(words))
			for i, w := range words {
				argv[i] = w
			}
			machinetest.Eventually(ctx, t, 10*time.Second, command+" is taken on "+n.Name, func() bool {
				return c.Do(ctx, argv...).Err() == nil // a child may still be at work
			})
			machinetest.Eventually(ctx, t, 10*time.Second, command+" has succeeded on "+n.Name, func() bool {
				p := c.Info(ctx, "persistence").Val()
				return !strings.Contains(p, "in_progress:1") && !strings.Contains(p, "scheduled:1") &&
					strings.Contains(p, "rdb_last_bgsave_status:ok") && strings.Contains(p, "aof_last_bgrewrite_status:ok")
			})
		}
	}
	w := f.StartWriter(ctx, t)
	w.WaitMore(ctx, t, 50)
	w.Stop().NoError(t)
}

// direct is a client of one server.
func direct(t *testing.T, f *machinetest.Fleet, n *machine.Node, password string) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: fmt.Sprintf("%s:%d", n.Address, machinetest.RedisPort),
		Password: password, Dialer: f.Lab.Dial, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// files: folders and files are the instances' user's alone, also those that the
// engine wrote anew (S2), and the server may open as many files as it needs (E3).
func files(ctx context.Context, t *testing.T, n *machine.Node) {
	// The engine renames and removes files meanwhile; one that goes is no error.
	out := machinetest.Run(ctx, t, n, "find", "/var/lib/redfleet", "-ignore_readdir_race", "-path", "/var/lib/redfleet/state", "-prune", "-o",
		"-mindepth", "1", "-printf", "%u:%g %m %y %p\n")
	seen := 0
	for line := range strings.Lines(strings.TrimSpace(out)) {
		var owner, mode, kind, path string
		if _, err := fmt.Sscan(line, &owner, &mode, &kind, &path); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want := "600"
		if kind == "d" {
			want = "700"
		}
		if owner != "redfleet:redfleet" || mode != want {
			t.Errorf("%s (%s) belongs to %s with mode %s, want redfleet:redfleet and %s", path, kind, owner, mode, want)
		}
		seen++
	}
	if seen < 4 {
		t.Errorf("only %d files of instances: %s", seen, out)
	}
	if mode := machinetest.Run(ctx, t, n, "stat", "-c", "%U %a", "/var/lib/redfleet/state"); strings.TrimSpace(mode) != "root 700" {
		t.Errorf("the agent's state is %s, want root 700", mode)
	}
	pid := machinetest.Unit(ctx, t, n, machinetest.RedisUnit()).PID
	limits := machinetest.Run(ctx, t, n, "grep", "Max open files", fmt.Sprintf("/proc/%d/limits", pid))
	var files int
	if _, err := fmt.Sscanf(limits, "Max open files %d", &files); err != nil || files < 10032 {
		t.Errorf("limits of the server: %s; want at least 10000 clients + 32 (%v)", limits, err)
	}
}

// logFile: on request the instances log into files that are root's, which can be
// rotated by copying and truncating.
func logFile(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	n, path := f.Nodes[0], fmt.Sprintf("/var/log/redfleet/redis-%s-%d.log", machinetest.GroupName, machinetest.RedisPort)
	if text := machinetest.Run(ctx, t, n, "cat", path); !strings.Contains(text, "Ready to accept connections") {
		t.Errorf("%s: %s", path, text)
	}
	if mode := machinetest.Run(ctx, t, n, "stat", "-c", "%U %a", path); strings.TrimSpace(mode) != "root 600" {
		t.Errorf("%s is %s, want root 600", path, mode)
	}
	machinetest.Run(ctx, t, n, "/bin/sh", "-c", "cp "+path+" "+path+".1 && truncate --size=0 "+path)
	check(t, direct(t, f, n, f.Password(ctx, t)).ConfigRewrite(ctx).Err())
	machinetest.Eventually(ctx, t, 5*time.Second, "the log goes on after a rotation", func() bool {
		text := machinetest.Run(ctx, t, n, "cat", path)
		return strings.Contains(text, "CONFIG REWRITE") && !strings.Contains(text, "\x00")
	})
}
