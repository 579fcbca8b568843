package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/lab"
	"github.com/redfleet/redfleet/internal/verdict"
)

// labSite is a lab of this test's own: a folder and a loopback network.
type labSite struct {
	t   *testing.T
	dir string
	net string
}

// newLabSite gives each lab of this test binary another network; place keeps
// them apart, the pid those of test binaries that run side by side.
func newLabSite(t *testing.T, place int) *labSite {
	t.Helper()
	l := &labSite{t: t, dir: filepath.Join(t.TempDir(), "lab"), net: fmt.Sprintf("127.%d.%d", 221+place, os.Getpid()%250)}
	t.Cleanup(func() {
		redfleet(t, "lab", "down", "--dir", l.dir).want(t, exitGood, "", "")
		l.nothingRuns()
	})
	return l
}

func (l *labSite) run(args ...string) outcome {
	l.t.Helper()
	return redfleet(l.t, append([]string{"lab"}, append(args, "--dir", l.dir)...)...)
}

// up brings it up and gives the document that says so.
func (l *labSite) up(args ...string) labUpDocument {
	l.t.Helper()
	out := l.run(append([]string{"up", "-o", "json", "--net", l.net}, args...)...)
	var doc labUpDocument
	if out.code != exitGood {
		l.t.Fatalf("lab up: %d\n%s%s", out.code, out.stdout, out.stderr)
	}
	if err := json.Unmarshal([]byte(out.stdout), &doc); err != nil {
		l.t.Fatalf("%v in %s", err, out.stdout)
	}
	return doc
}

// verb runs a verb of the fleet against the lab's Consul.
func (l *labSite) verb(args ...string) outcome {
	l.t.Helper()
	return redfleet(l.t, append(args, "--fleet", "lab", "--consul", l.net+".10:8500")...)
}

// eventually runs a verb until its outcome is good. Of two sentinels that are left each
// may run for the failover in the same moment; then they hold another election after
// twice the failover-timeout of 60 s.
func (l *labSite) eventually(good func(outcome) bool, args ...string) {
	l.t.Helper()
	deadline := time.Now().Add(150 * time.Second)
	for {
		out := l.verb(args...)
		if good(out) {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%v: not in time:\n%s%s", args, out.stdout, out.stderr)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// processes are the lab's processes by name.
func (l *labSite) processes() map[string]lab.Process {
	l.t.Helper()
	var doc labStatusDocument
	if err := json.Unmarshal([]byte(l.run("status", "-o", "json").stdout), &doc); err != nil {
		l.t.Fatal(err)
	}
	out := map[string]lab.Process{}
	for _, p := range doc.Processes {
		out[strings.TrimPrefix(p.Node+"/"+string(p.Name), "/")] = p
	}
	return out
}

// nothingRuns looks at every process of the machine for one of the lab's.
func (l *labSite) nothingRuns() {
	l.t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, file := range lines {
		text, err := os.ReadFile(file)
		if err == nil && (strings.Contains(string(text), l.dir) || strings.Contains(string(text), l.net+".")) {
			l.t.Errorf("left over: %q", strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
}

// masterIn is the master's node in the JSON of status; empty without one.
func masterIn(o outcome) string {
	var doc verdict.Status
	if json.Unmarshal([]byte(o.stdout), &doc) != nil || len(doc.Groups) == 0 || doc.Groups[0].Master == nil {
		return ""
	}
	return doc.Groups[0].Master.Node
}

func holds(o outcome) bool { return o.code == exitGood }

func TestLab(t *testing.T) {
	t.Parallel()
	l := newLabSite(t, 0)
	// down-after stays at its 5 s: as on machines, what comes back sooner than
	// half of it after a stop of everything needs no failover.
	doc := l.up()
	if !doc.Started || doc.TookS <= 0 || doc.Status.Groups[0].State != fleet.GroupServing {
		t.Errorf("lab up said %+v", doc)
	}
	l.verb("verify").want(t, exitGood, "checks hold", "")
	l.run("up", "--net", l.net).want(t, exitGood, "runs already", "")
	l.run("up", "--nodes", "5").want(t, exitOther, "", "--nodes is 3 here, not 5")
	redfleet(t, "lab", "up", "--dir", l.dir+"2", "--net", l.net).want(t, exitOther, "", "another lab runs in "+l.dir)
	if _, err := os.Stat(l.dir + "2"); err == nil {
		t.Error("a lab that cannot be started left a folder")
	}
	l.showsNoPassword()
	l.killsAndStarts()
	l.comesBackAsItWas()
}

// showsNoPassword searches every verb's output but the one that is for it.
func (l *labSite) showsNoPassword() {
	out := l.verb("credentials", "show", "main", "--key", filepath.Join(l.dir, "fleet.key"))
	out.want(l.t, exitGood, "\n", "")
	password := strings.TrimSpace(out.stdout)
	if len(password) < 20 {
		l.t.Fatalf("a password of %d letters", len(password))
	}
	for _, args := range [][]string{{"status"}, {"verify"}, {"events"}} {
		if o := l.verb(args...); strings.Contains(o.stdout+o.stderr, password) {
			l.t.Errorf("%v shows the password", args)
		}
	}
	for _, args := range [][]string{{"up", "--net", l.net}, {"status"}} {
		if o := l.run(args...); strings.Contains(o.stdout+o.stderr, password) {
			l.t.Errorf("lab %v shows the password", args)
		}
	}
	env, err := os.ReadFile(filepath.Join(l.dir, "env"))
	if err != nil || strings.Contains(string(env), password) {
		l.t.Errorf("the password is in the lab's env file (%v)", err)
	}
}

func (l *labSite) killsAndStarts() {
	before := l.processes()
	l.run("kill", "n1", "--only", "agent").want(l.t, exitGood, "killed agent-n1", "")
	after := l.processes()
	for name, p := range before {
		if name != "n1/agent-n1" && after[name].PID != p.PID {
			l.t.Errorf("killing the agent of n1 changed %s from %d to %d", name, p.PID, after[name].PID)
		}
	}
	if after["n1/agent-n1"].State == fleet.UnitActive {
		l.t.Error("the agent of n1 still runs")
	}
	l.run("start", "n1").want(l.t, exitGood, "started agent-n1", "")
	l.run("start", "n1").want(l.t, exitGood, "runs on n1 already", "")
	l.eventually(holds, "verify")

	l.run("kill", "n1").want(l.t, exitGood, "killed redis-main-6379 on n1", "")
	for name, p := range l.processes() {
		if (p.Node == "n1") == (p.State == fleet.UnitActive) {
			l.t.Errorf("after the kill %s is %s", name, p.State)
		}
	}
	l.run("kill", "n1").want(l.t, exitGood, "nothing of that ran on n1", "")
	l.eventually(func(o outcome) bool { m := masterIn(o); return m == "n2" || m == "n3" }, "status", "-o", "json")
	l.run("start", "n1").want(l.t, exitGood, "started coordinator-n1", "")
	l.eventually(holds, "verify")
	l.run("kill", "n2", "--only", "coordinator").want(l.t, exitOther, "", "n2 has no coordinator")
	l.run("kill", "n9").want(l.t, exitOther, "", "it has n1 to n3")
}

// comesBackAsItWas: a lab that was stopped goes on with its data and identity.
func (l *labSite) comesBackAsItWas() {
	id := func() (out []string) {
		files, err := filepath.Glob(filepath.Join(l.dir, "n*", "data", "*", "identity"))
		if err != nil || len(files) == 0 {
			l.t.Fatalf("no identities on disk (%v)", err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				l.t.Fatal(err)
			}
			out = append(out, string(data))
		}
		return out
	}
	before := id()
	l.run("down", "--keep-data").want(l.t, exitGood, "its data is in", "")
	l.nothingRuns()
	l.up()
	if got := id(); fmt.Sprint(got) != fmt.Sprint(before) {
		l.t.Errorf("identities were %v and are %v", before, got)
	}
	l.run("down").want(l.t, exitGood, "the lab is gone", "")
	if _, err := os.Stat(l.dir); err == nil {
		l.t.Error("the lab's folder is still there")
	}
	l.run("down").want(l.t, exitGood, "", "there is no lab")
	l.run("status").want(l.t, exitOther, "", "lab up --dir")
}

func TestLabOfReplication(t *testing.T) {
	t.Parallel()
	l := newLabSite(t, 1)
	doc := l.up("--topology", "replication", "--nodes", "2", "--coordinators", "2")
	g := doc.Status.Groups[0]
	if g.Topology != fleet.Replication || len(g.Replicas) != 1 || len(g.Sentinels) != 0 || g.Quorum != nil {
		t.Errorf("the group is %+v", g)
	}
	l.verb("verify").want(t, exitGood, "", "")
}

func TestLabFindsOutBeforeItStarts(t *testing.T) {
	t.Parallel()
	l := newLabSite(t, 2)
	ln, err := net.Listen("tcp", l.net+".13:26379")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	l.run("up", "--net", l.net).want(t, exitOther, "", "13:26379, for the sentinel on n3, is in use by")
	l.run("up", "--net", l.net, "--redis-server", "/no/such/redis-server").want(t, exitOther, "", "/no/such/redis-server")
	l.run("up", "--net", l.net, "--consul", noConsul, "--timeout", "5s").want(t, exitOther, "", "13:26379")
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	l.run("up", "--net", l.net, "--consul", noConsul).want(t, exitUnreachable, "", "Consul")
	if _, err := os.Stat(l.dir); err == nil {
		t.Error("the lab's folder was made")
	}
	l.nothingRuns()
}
