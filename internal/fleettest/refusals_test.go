package fleettest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
)

// toldIn bounds how long a refusal may take to show.
const toldIn = 15 * time.Second

// form starts a coordinator and three agents; edit may change node n2's options.
func form(t *testing.T, addr string, edit func(*Fleet, *agent.Options)) *Fleet {
	t.Helper()
	f := New(t, &nets, addr)
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, nil)})
	f.StartCoordinator(1, nil)
	f.StartAgent(1, nil)
	f.StartAgent(2, func(o *agent.Options) { edit(f, o) })
	f.StartAgent(3, nil)
	return f
}

// program writes a shell script that stands in for redis-server.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "redis-server")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	return path
}

// TestNodeThatCannotServe: a node that cannot run its part keeps the group from
// forming, and status names the node and the reason.
func TestNodeThatCannotServe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*Fleet, *agent.Options)
		says []string
	}{
		{"no redis-server", func(_ *Fleet, o *agent.Options) { o.Config.RedisServer = "/nowhere/redis-server" },
			[]string{"n2", "no program redis-server at /nowhere/redis-server", "apt-get install redis-server"}},
		{"an old redis-server", func(_ *Fleet, o *agent.Options) {
			o.Config.RedisServer = program(t, `echo "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1"`)
		}, []string{"n2", "6.0.16", "6.2 is the least", "sentinel-pass"}},
		{"a program that is no Redis", func(_ *Fleet, o *agent.Options) { o.Config.RedisServer = program(t, "echo hello") },
			[]string{"n2", "neither Redis nor Valkey", "hello"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, addr := StandIn(t)
			f := form(t, addr, c.edit)
			a := f.WaitFor(toldIn, "forming with the reason", func(a fleet.Assessment) bool {
				return a.State == fleet.GroupForming && holds(a.Reason, c.says...)
			})
			t.Log(a.Reason)
			if got := pids(t, f, 3); len(got) > 0 {
				t.Errorf("instances were started: %v", got)
			}
		})
	}
}

func holds(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// TestPortInUse: status names the process that has the port, the group goes on
// when it is gone, and an instance's own earlier process is not called another's.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	_, addr := StandIn(t)
	var taken net.Listener
	f := form(t, addr, func(f *Fleet, _ *agent.Options) {
		var err error
		if taken, err = net.Listen("tcp", net.JoinHostPort(f.Host(2), "6379")); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { _ = taken.Close() })
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	who := fmt.Sprintf("port 6379 is in use by %s (pid %d)", strings.TrimSpace(string(comm)), os.Getpid())
	a := f.WaitFor(toldIn, "told who has the port", func(a fleet.Assessment) bool {
		return a.State != fleet.GroupServing && holds(a.Reason, "redis-main-6379 on n2", who)
	})
	t.Log(a.Reason)
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	f.WaitServing(servingIn)

	// The records of the supervisor get lost: the process that runs on is ours.
	stopAgent(t, f, 2)
	run := filepath.Join(f.AgentConfig(2).StateDir, "run")
	keep := f.Units(2)
	if err := os.Rename(run, run+".lost"); err != nil {
		t.Fatal(err)
	}
	before := pids(t, f, 3)
	f.StartAgent(2, nil)
	a = f.WaitFor(toldIn, "told that the process is the instance's own", func(a fleet.Assessment) bool {
		return holds(failing(a), "redis-main-6379 on n2", "an earlier process of this very instance")
	})
	t.Log(failing(a))
	stopAgent(t, f, 2)
	if now := pids(t, f, 3); changed(before, now) != 0 {
		t.Errorf("instances were restarted: %v, were %v", now, before)
	}
	_ = keep.Close()
	if err := os.RemoveAll(run); err != nil { // so that the test's end finds the processes
		t.Fatal(err)
	}
	if err := os.Rename(run+".lost", run); err != nil {
		t.Fatal(err)
	}
}

// TestFleetKey: an agent or a coordinator without a key that it may use does not
// start; one with another key starts nothing and says why.
func TestFleetKey(t *testing.T) {
	t.Parallel()
	_, addr := StandIn(t)
	f := New(t, &nets, addr)
	missing := filepath.Join(f.Dir, "missing.key")
	open := filepath.Join(f.Dir, "open.key")
	b, err := os.ReadFile(f.KeyFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(open, b, 0o644); err != nil { //nolint:gosec // that is the fault
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil { //nolint:gosec // whatever the umask is
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file string
		says []string
	}{
		"missing":            {missing, []string{"missing", missing, "copy it from a machine of the fleet"}},
		"readable by others": {open, []string{open, "chmod"}},
	} {
		d := f.StartAgent(1, func(o *agent.Options) { o.Config.KeyFile = c.file })
		if err := d.Wait(t, toldIn); err == nil || !holds(err.Error(), c.says...) || strings.Contains(err.Error(), "AGE-SECRET") {
			t.Errorf("%s: the agent says %v, want %q", name, err, c.says)
		}
	}

	other, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(f.Dir, "other.key")
	if err := other.WriteKey(wrong); err != nil {
		t.Fatal(err)
	}
	f = form(t, standInAddr(t), func(_ *Fleet, o *agent.Options) { o.Config.KeyFile = wrong })
	a := f.WaitFor(toldIn, "told that the key is another", func(a fleet.Assessment) bool {
		return holds(failing(a), "redis-main-6379 on n2", "sealed with another fleet's key", f.Key.Recipient(), other.Recipient())
	})
	t.Log(a.Reason)
	for name := range pids(t, f, 3) {
		if strings.HasPrefix(name, "n2/") {
			t.Errorf("%s was started without the password", name)
		}
	}
}

func standInAddr(t *testing.T) string {
	_, addr := StandIn(t)
	return addr
}

// TestTwoAgents: a second agent under a name or at an address that is taken is
// refused with both sides named, and the first one is left in peace.
func TestTwoAgents(t *testing.T) {
	t.Parallel()
	_, addr := StandIn(t)
	f := New(t, &nets, addr)
	f.StartAgent(1, nil)
	eventually(t, toldIn, "n1 reports", func() bool {
		w, err := f.World(t.Context())
		return err == nil && w.Reports["n1"].Alive
	})
	// A clone of the machine: everything on disk is the same, the address is not.
	clone := filepath.Join(f.Dir, "clone")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Join(f.Dir, "n1"), clone).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	at := func(o *agent.Options, host, state string) {
		o.Config.Address, o.Config.Bind = host, []string{host}
		o.Config.HTTP = net.JoinHostPort(host, "6480")
		o.Config.StateDir, o.Config.DataDir = filepath.Join(f.Dir, state, "state"), filepath.Join(f.Dir, state, "data")
	}
	for name, c := range map[string]struct {
		edit func(*agent.Options)
		is   error
		says []string
	}{
		"the same name elsewhere":     {func(o *agent.Options) { at(o, f.Host(7), "seven") }, agent.ErrNameTaken, []string{`"n1"`, f.Host(1), f.Host(7)}},
		"a clone with the same state": {func(o *agent.Options) { at(o, f.Host(8), "clone") }, agent.ErrNameTaken, []string{`"n1"`, f.Host(1), f.Host(8)}},
		"the same address": {func(o *agent.Options) { o.Config.Node = "n9"; o.Config.StateDir += "9" }, agent.ErrAddressTaken,
			[]string{net.JoinHostPort(f.Host(1), "6480"), fmt.Sprintf("(pid %d)", os.Getpid())}},
	} {
		o := agent.Options{Config: f.AgentConfig(1), Log: f.Logger("second agent")}
		c.edit(&o)
		err := f.run(name, func(ctx context.Context) error { return agent.Run(ctx, o) }).Wait(t, toldIn)
		if !errors.Is(err, c.is) || !holds(err.Error(), c.says...) {
			t.Errorf("%s: %v, want %v with %q", name, err, c.is, c.says)
		}
	}
	w, err := f.World(t.Context())
	if err != nil || w.Reports["n1"].Report.Address != f.Host(1) || !w.Reports["n1"].Alive {
		t.Errorf("the first agent was disturbed: %+v, %v", w.Reports["n1"], err)
	}
}

// TestConsulRefuses: with Consul unreachable, or refusing the token, agent and
// coordinator go on trying, say so once, and serve as soon as they can.
func TestConsulRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault devconsul.Faults
		says  string
	}{
		{"unreachable", devconsul.Faults{Drop: true}, "Consul is out"},
		{"refusing the token", devconsul.Faults{Error: http.StatusForbidden}, "Consul refused the token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, addr := StandIn(t)
			f := New(t, &nets, addr)
			f.Apply(fleet.SpecRecord{Spec: f.Spec(3, nil)})
			s.SetFaults(c.fault)
			f.StartCoordinator(1, nil)
			for i := 1; i <= 3; i++ {
				f.StartAgent(i, nil)
			}
			for _, who := range []string{"agent n1", "agent n2", "agent n3", "coordinator c1"} {
				eventually(t, toldIn, who+" says "+c.says, func() bool { return warnings(f, who, c.says) > 0 })
			}
			time.Sleep(2500 * time.Millisecond) // time for repetitions, which must not come
			if got := pids(t, f, 3); len(got) > 0 {
				t.Errorf("something was started: %v", got)
			}
			for who, most := range map[string]int{"agent n1": 3, "coordinator c1": 1} { // two watches and the report; the lease
				if n := warnings(f, who, c.says); n > most {
					t.Errorf("%s said %d times %q, want %d at most:\n%s", who, n, c.says, most, tail(f.Log.String()))
				}
			}
			s.SetFaults(devconsul.Faults{})
			f.WaitServing(servingIn + 10*time.Second)
		})
	}
}

// warnings counts the log lines of a daemon that are warnings with a text.
func warnings(f *Fleet, who, text string) int {
	n := 0
	for line := range strings.Lines(f.Log.String()) {
		if strings.Contains(line, "level=warning") && strings.Contains(line, fmt.Sprintf("who=%q", who)) && strings.Contains(line, text) {
			n++
		}
	}
	return n
}
