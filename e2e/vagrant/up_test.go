//go:build e2e

package vagrant

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

func nodes() []string { return []string{"n1", "n2", "n3"} }

// instances tells each Redis and sentinel process of a machine by what changes when
// it is started again.
const instances = `for unit in redfleet-redis@main-6379 redfleet-sentinel@main-26379; do
  systemctl show --property=Id,MainPID,InvocationID,ActiveState $unit; done`

// TestUp is the lab's life: up to verified in one command, provisioned again, the
// master halted, failover, its return, and the end.
func TestUp(t *testing.T) {
	ctx := machinetest.Context(t, 9*time.Minute)
	l := newLab(ctx, t, os.Getenv(dirVariable))

	start := time.Now()
	out := l.vagrant(ctx, t, "up")
	up := time.Since(start)
	l.learnToLogIn(ctx, t)
	holds(ctx, t, l, "n2")
	keyIsKept(ctx, t, l, out)

	master, err := l.master(ctx, "n3")
	check(t, err)
	write(ctx, t, l, master, "before", "1")
	provisionAgain(ctx, t, l, master)

	failover, next := haltMaster(ctx, t, l, master)
	write(ctx, t, l, next, "during", "2")

	start = time.Now()
	l.vagrant(ctx, t, "up", master)
	machinetest.Eventually(ctx, t, 90*time.Second, "the group is verified again", func() bool { return l.verified(ctx, next) == "" })
	rejoin := time.Since(start)
	for key, want := range map[string]string{"before": "1", "during": "2"} {
		if got := redis(ctx, t, l, master, "GET "+key); got != want {
			t.Errorf("%s has %s=%q after its return, want %q", master, key, got, want)
		}
	}

	start = time.Now()
	l.vagrant(ctx, t, "destroy", "--force", "--parallel")
	destroy := time.Since(start)
	left, err := filepath.Glob(filepath.Join(l.Dir(), "containers", "*"))
	check(t, err)
	if len(left) > 0 {
		t.Errorf("vagrant destroy left %v", left)
	}
	fmt.Printf("vagrant nodes=%d up_to_verified_s=%.1f failover_s=%.1f rejoin_s=%.1f destroy_s=%.1f\n",
		len(nodes()), up.Seconds(), failover.Seconds(), rejoin.Seconds(), destroy.Seconds())
}

// holds fails the test where the group is not verified this very moment.
func holds(ctx context.Context, t *testing.T, l *lab, node string) {
	t.Helper()
	if why := l.verified(ctx, node); why != "" {
		t.Fatalf("the group is not verified: %s", why)
	}
}

// keyIsKept: all machines and the host have the one key, nobody but root can read it,
// and Vagrant did not print it.
func keyIsKept(ctx context.Context, t *testing.T, l *lab, out string) {
	t.Helper()
	kept := filepath.Join(l.Dir(), "state", "redfleet", "fleet.key")
	for path, want := range map[string]os.FileMode{kept: 0o600, filepath.Dir(kept): os.ModeDir | 0o700} {
		info, err := os.Stat(path)
		check(t, err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
	key, err := os.ReadFile(kept)
	check(t, err)
	for _, node := range nodes() {
		script := "stat -c '%U %a' /etc/redfleet/fleet.key; cat /etc/redfleet/fleet.key; ls -A /home/vagrant/lab | grep key || true"
		if got := l.mustSSH(ctx, t, node, script); got != "root 600\n"+strings.TrimSpace(string(key)) {
			t.Errorf("the key on %s is not the host's, can be read by others, or is there twice", node)
		}
	}
	for line := range strings.Lines(string(key)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && line != "" && strings.Contains(out, line) {
			t.Error("vagrant up printed the fleet's key")
		}
	}
}

// provisionAgain: no process of Redis is started again, and the group stays as it is.
func provisionAgain(ctx context.Context, t *testing.T, l *lab, master string) {
	t.Helper()
	before := map[string]string{}
	for _, node := range nodes() {
		before[node] = l.mustSSH(ctx, t, node, instances)
		if strings.Count(before[node], "ActiveState=active") != 2 {
			t.Fatalf("on %s two units have to be active:\n%s", node, before[node])
		}
	}
	start := time.Now()
	l.vagrant(ctx, t, "provision")
	t.Logf("provisioned again in %.1f s", time.Since(start).Seconds())
	for _, node := range nodes() {
		if now := l.mustSSH(ctx, t, node, instances); now != before[node] {
			t.Errorf("provisioning %s again started its instances again:\n%s\nbefore:\n%s", node, now, before[node])
		}
	}
	holds(ctx, t, l, master)
	if now, err := l.master(ctx, "n1"); err != nil || now != master {
		t.Errorf("after provisioning again the master is %q (%v), before it was %s", now, err, master)
	}
}

// haltMaster halts the master's machine, and returns who is master then, and the time
// from the beginning of the halt until that one is.
func haltMaster(ctx context.Context, t *testing.T, l *lab, master string) (time.Duration, string) {
	t.Helper()
	others := slices.DeleteFunc(nodes(), func(node string) bool { return node == master })
	halted := make(chan error, 1)
	start := time.Now()
	go func() {
		_, err := l.tryVagrant(ctx, "halt", master)
		halted <- err
	}()
	var next string
	machinetest.Eventually(ctx, t, 60*time.Second, "another machine has become the master", func() bool {
		var err error
		next, err = l.master(ctx, others[0])
		return err == nil && slices.Contains(others, next) && redis(ctx, t, l, next, "ROLE") == "master"
	})
	took := time.Since(start)
	check(t, <-halted)
	return took, next
}

func write(ctx context.Context, t *testing.T, l *lab, node, key, value string) {
	t.Helper()
	// WAIT: at least one replica has it, or the halt may come too early. A replica that
	// has to copy all from a new master begins 5 s after it has asked.
	if got := redis(ctx, t, l, node, "SET "+key+" "+value+"\nWAIT 1 60000"); !strings.HasPrefix(got, "OK\n") || strings.HasSuffix(got, "\n0") {
		t.Fatalf("writing %s on %s: %s", key, node, got)
	}
}

// redis sends commands to the node's server with the group's password, which goes in
// by standard input only. Of ROLE the first line is returned, else all after AUTH's.
func redis(ctx context.Context, t *testing.T, l *lab, node, commands string) string {
	t.Helper()
	out, err := l.ssh(ctx, node, fmt.Sprintf(
		`{ printf 'AUTH %%s\n' "$(redfleet credentials show --fleet lab main)"; echo %s; } | redis-cli -h "$(hostname -i)" -p 6379`, quoted(commands)))
	if err != nil {
		return err.Error()
	}
	rest, authenticated := strings.CutPrefix(out, "OK\n")
	if !authenticated {
		return "not authenticated"
	}
	if commands == "ROLE" {
		rest, _, _ = strings.Cut(rest, "\n")
	}
	return rest
}
