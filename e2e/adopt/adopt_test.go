//go:build e2e

package adopt

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// TestAdopt: a group that was built by hand is adopted while clients are connected to
// each of its instances. Nothing is restarted, no connection is lost, no file is
// changed. Then each instance is restarted in another way, one after the other, and
// moves: by an operator's restart, by a crash while the agent is dead, by an
// operator's stop, by a power cut of the machine, and the master by a failover.
func TestAdopt(t *testing.T) {
	ctx := machinetest.Context(t, 8*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{})
	t.Cleanup(func() { explain(t, f) })
	byHand(ctx, t, f)
	before := runs(ctx, t, f)
	clients := connect(ctx, t, f)
	sums := files(ctx, t, f)

	f.Install(ctx, t)
	f.Join(ctx, t)
	n1, n2, n3 := f.Nodes[0], f.Nodes[1], f.Nodes[2]
	dryRun(ctx, t, f)
	write(ctx, t, n1, "/root/redis.password", password+"\n")
	machinetest.Run(ctx, t, n1, "chmod", "600", "/root/redis.password")
	start := time.Now()
	out := must(ctx, t, f, n1, "adopt", machinetest.GroupName, "--password-file", "/root/redis.password", "--yes")
	f.WaitServing(ctx, t)
	t.Logf("adopted and verified after %.1f s", time.Since(start).Seconds())
	waitMoved(ctx, t, f, 0)
	for _, n := range f.Nodes {
		for _, unit := range []string{server, sentinel} {
			machinetest.Eventually(ctx, t, time.Minute, unit+" of "+n.Name+" gives way at its next start", func() bool {
				r, err := n.Run(ctx, "systemctl", "show", "--value", "--property=DropInPaths", unit)
				return err == nil && strings.Contains(r.Stdout, "redfleet")
			})
		}
	}
	machinetest.SameRuns(t, before, runs(ctx, t, f))
	clients.same(ctx, t)
	if now := files(ctx, t, f); now != sums {
		t.Errorf("files were changed by the adoption; they were\n%sand are\n%s", sums, now)
	}
	applied(ctx, t, f, out)

	machinetest.Run(ctx, t, n1, "systemctl", "restart", sentinel)
	waitMoved(ctx, t, f, 1)

	crashWithoutAgent(ctx, t, f, n2)
	waitMoved(ctx, t, f, 2)

	machinetest.Run(ctx, t, n2, "systemctl", "stop", server)
	waitMoved(ctx, t, f, 3)

	if err := n3.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n3.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	waitMoved(ctx, t, f, 5)
	clients.sameOn(ctx, t, n1.Name+" "+server)

	machinetest.Run(ctx, t, n1, "systemctl", "restart", server)
	waitMoved(ctx, t, f, 6)
	if master := f.Master(ctx, t); master == n1 {
		t.Errorf("the master was restarted without a failover")
	}
	ended(ctx, t, f)
}

// dryRun: the look says what there is, refuses another password, and changes nothing.
func dryRun(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	t.Helper()
	n := f.Nodes[0]
	said := ""
	machinetest.Eventually(ctx, t, time.Minute, "a dry run finds the group", func() bool {
		r := f.Redfleet(ctx, t, n, "adopt", machinetest.GroupName, "--dry-run")
		said = r.Stdout + r.Stderr
		return r.Code == 0
	})
	t.Logf("the dry run:\n%s", said)
	for _, want := range []string{`"mymaster"`, "6379", "26379", "redis-server.service", `down_after = "4s"`, `appendonly = "no"`, `maxmemory = `, "open = true"} {
		if !strings.Contains(said, want) {
			t.Errorf("the dry run does not say %q", want)
		}
	}
	if strings.Contains(said, password) {
		t.Error("the dry run shows the password")
	}
	write(ctx, t, n, "/root/wrong.password", "another\n")
	machinetest.Run(ctx, t, n, "chmod", "600", "/root/wrong.password")
	r := f.Redfleet(ctx, t, n, "adopt", machinetest.GroupName, "--password-file", "/root/wrong.password", "--yes")
	if r.Code != 1 || !strings.Contains(r.Stderr, "is not the one that was given") {
		t.Errorf("with a wrong password: exit status %d, %s", r.Code, r.Stderr)
	}
	if r := machinetest.Run(ctx, t, n, "redis-cli", "-a", password, "--no-auth-warning", "DBSIZE"); strings.TrimSpace(r) != "500" {
		t.Errorf("the master holds %s keys", r)
	}
}

// applied: the group as adopt shows it is what a spec file has to say.
func applied(ctx context.Context, t *testing.T, f *machinetest.Fleet, out string) {
	t.Helper()
	_, group, found := strings.Cut(out, "[[group]]")
	group, _, ended := strings.Cut(group, "adopted; follow it")
	if !found || !ended {
		t.Fatalf("adopt shows no group:\n%s", out)
	}
	write(ctx, t, f.Nodes[0], "/root/fleet.toml", "[fleet]\nname = \""+machinetest.FleetName+"\"\n\n[[group]]"+group)
	if said := must(ctx, t, f, f.Nodes[0], "apply", "/root/fleet.toml"); !strings.Contains(said, "nothing to change") {
		t.Errorf("applying the group that adopt shows: %s", said)
	}
}

// crashWithoutAgent: systemd itself restarts the sentinel, and it moves.
func crashWithoutAgent(ctx context.Context, t *testing.T, f *machinetest.Fleet, n *machine.Node) {
	t.Helper()
	machinetest.Run(ctx, t, n, "systemctl", "stop", "redfleet-agent")
	machinetest.Run(ctx, t, n, "systemctl", "kill", "--signal=SIGKILL", sentinel)
	machinetest.Eventually(ctx, t, time.Minute, "the sentinel runs as redfleet's, without an agent", func() bool {
		return machinetest.Unit(ctx, t, n, machinetest.SentinelUnit()).PID != 0
	})
	machinetest.Run(ctx, t, n, "systemctl", "start", "redfleet-agent")
}

// waitMoved waits until so many instances have moved and the group is verified.
func waitMoved(ctx context.Context, t *testing.T, f *machinetest.Fleet, moved int) {
	t.Helper()
	start := time.Now()
	machinetest.Eventually(ctx, t, 90*time.Second, "as many have moved as were restarted", func() bool {
		g, err := f.TryStatus(ctx, f.Nodes[0])
		return err == nil && g.Adopted != nil && g.Adopted.Moved == moved && g.Adopted.Of == 6 && len(g.Adopted.Waiting) == 6-moved
	})
	f.WaitServing(ctx, t)
	for _, n := range f.Nodes {
		if got := count(ctx, f, t, n); got != keys {
			t.Errorf("with %d moved %s holds %d keys, not %d", moved, n.Name, got, keys)
		}
	}
	t.Logf("%d moved and verified after %.1f s", moved, time.Since(start).Seconds())
}

// ended: all run as redfleet's, the distribution's units are masked, nothing that
// holds data is where it was, and clients get in as ever.
func ended(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	t.Helper()
	for _, n := range f.Nodes {
		for _, unit := range []string{server, sentinel} {
			machinetest.Eventually(ctx, t, time.Minute, unit+" of "+n.Name+" is masked", func() bool {
				r, err := n.Run(ctx, "systemctl", "show", "--value", "--property=UnitFileState,MainPID", unit)
				return err == nil && slices.Equal(strings.Fields(r.Stdout), []string{"0", "masked"}) || slices.Equal(strings.Fields(r.Stdout), []string{"masked", "0"})
			})
		}
		if left := machinetest.Run(ctx, t, n, "find", "/var/lib/redis", "-name", "*.rdb"); left != "" {
			t.Errorf("data is left on %s: %s", n.Name, left)
		}
	}
	c := goredis.NewFailoverClient(&goredis.FailoverOptions{MasterName: masterName, Password: password,
		SentinelAddrs: []string{f.Nodes[0].Address.String() + ":26379"}, Dialer: f.Lab.Dial})
	defer func() { _ = c.Close() }()
	if got, err := c.Get(ctx, "theirs:7").Result(); err != nil || got != "7" {
		t.Errorf("a client as ever gets %q, %v", got, err)
	}
}

// runs are the processes of the group as it was built.
func runs(ctx context.Context, t *testing.T, f *machinetest.Fleet) map[string]machinetest.Instance {
	t.Helper()
	out := map[string]machinetest.Instance{}
	for _, n := range f.Nodes {
		for _, unit := range []string{server, sentinel} {
			out[n.Name+" "+unit] = machinetest.Unit(ctx, t, n, unit)
		}
	}
	return out
}

// files are the sums of the configuration files that nobody but an operator writes
// while nothing fails over, and of the data files.
func files(ctx context.Context, t *testing.T, f *machinetest.Fleet) string {
	t.Helper()
	var out strings.Builder
	for _, n := range f.Nodes {
		out.WriteString(machinetest.Run(ctx, t, n, "sha256sum", "/etc/redis/redis.conf", "/usr/lib/systemd/system/"+server, "/usr/lib/systemd/system/"+sentinel))
	}
	return out.String()
}

// connected are connections that are never made anew, with the numbers that the
// servers gave them.
type connected map[string]*held

type held struct {
	conn *goredis.Conn
	id   int64
}

func connect(ctx context.Context, t *testing.T, f *machinetest.Fleet) connected {
	t.Helper()
	out := connected{}
	for _, n := range f.Nodes {
		for unit, port := range map[string]int{server: 6379, sentinel: 26379} {
			h := &held{conn: dial(t, f, n, port)}
			var err error
			if h.id, err = h.conn.ClientID(ctx).Result(); err != nil {
				t.Fatal(err)
			}
			out[n.Name+" "+unit] = h
		}
	}
	return out
}

func (c connected) same(ctx context.Context, t *testing.T) {
	t.Helper()
	for name := range c {
		c.sameOn(ctx, t, name)
	}
}

func (c connected) sameOn(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	if id, err := c[name].conn.ClientID(ctx).Result(); err != nil || id != c[name].id {
		t.Errorf("the connection to %s was number %d, is %d, %v", name, c[name].id, id, err)
	}
}

func must(ctx context.Context, t *testing.T, f *machinetest.Fleet, n *machine.Node, args ...string) string {
	t.Helper()
	r := f.Redfleet(ctx, t, n, args...)
	if r.Code != 0 {
		t.Fatalf("redfleet %s: exit status %d:\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	}
}
