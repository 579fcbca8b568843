package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	rehearsal "github.com/redfleet/redfleet/coordinator/drill"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/verdict"
)

// TestDrill rehearses a failover and a kill on a real group: the report has the gap,
// the losses and the time to a whole group, and no key stays.
func TestDrill(t *testing.T) {
	t.Parallel()
	l := newLabSite(t, 12)
	l.up("--down-after", "3s")
	session, err := l.client().CreateSession(t.Context(), "another drill", 10*time.Second, 0)
	if err != nil {
		t.Fatal(err)
	}
	if mine, err := l.client().Acquire(t.Context(), fleet.KeysOf("lab").Drill(), []byte("somebody"), session); !mine || err != nil {
		t.Fatalf("acquired %v, %v", mine, err)
	}
	l.drill("failover").want(t, exitLocked, "", "another drill of this fleet is under way (somebody)")
	if err := l.client().DestroySession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	l.verb("drill", "failover", "main", "--key", filepath.Join(l.dir, "fleet.key")).want(t, exitPending, "", "Do this? [y/N]")

	svg, all := filepath.Join(t.TempDir(), "drill.svg"), filepath.Join(t.TempDir(), "drill.json")
	r := l.drilled(l.drill("failover", "--svg", svg, "--history", all))
	if r.MasterAfter == r.MasterBefore || r.Lost != 0 || r.DualMS != 0 {
		t.Errorf("the failover: %+v", r)
	}
	var h history.History
	if text, err := os.ReadFile(all); err != nil || json.Unmarshal(text, &h) != nil || len(h.Faults) != 1 || len(h.Groups[0].Writes) < 100 {
		t.Errorf("the history has %d faults (%v)", len(h.Faults), err)
	}
	if text, err := os.ReadFile(svg); err != nil || !strings.Contains(string(text), "<svg") {
		t.Errorf("the drawing: %v", err)
	}

	r = l.drilled(l.drill("kill", "--via", l.via()+" {node}"))
	if r.GapMS < 50 || r.LostWaited != 0 {
		t.Errorf("the kill: %+v", r)
	}
	l.failover()
	l.verb("verify").want(t, exitGood, "checks hold", "")
	l.removeMaster()
}

// removeMaster takes the master's node out: another one is master before that begins.
func (l *labSite) removeMaster() {
	l.t.Helper()
	var st verdict.Status
	if err := json.Unmarshal([]byte(l.verb("status", "-o", "json").stdout), &st); err != nil {
		l.t.Fatal(err)
	}
	old := st.Groups[0].Master.Node
	l.verb("node", "remove", old, "--yes").want(l.t, exitOther, "", "let another server take over first (redfleet failover main)")
	l.verb("node", "remove", old, "--failover", "--yes", "--key", filepath.Join(l.dir, "fleet.key")).
		want(l.t, exitGood, "is made", "the master was on "+old+" and is on ")
}

// failover moves the master away from where it is.
func (l *labSite) failover() {
	l.t.Helper()
	key := filepath.Join(l.dir, "fleet.key")
	l.verb("failover", "main", "--key", key).want(l.t, exitPending, "", "Its writes are held")
	o := l.verb("failover", "main", "--key", key, "--yes", "-o", "json", "--timeout", "40s")
	var d drill.Switched
	if err := json.Unmarshal([]byte(o.stdout), &d); err != nil || o.code != exitGood {
		l.t.Fatalf("exit code %d, %v\n%s%s", o.code, err, o.stdout, o.stderr)
	}
	if d.MasterAfter == d.MasterBefore || d.MasterAfter == "" || !d.Whole || d.HeldMS <= 0 || d.WholeMS < d.HeldMS || len(d.Warnings) > 0 {
		l.t.Errorf("%+v", d)
	}
	l.t.Logf("%s", strings.Join(d.Summary(), "; "))
	l.verb("status").want(l.t, exitGood, d.MasterAfter, "")
}

func (l *labSite) client() *consul.Client {
	l.t.Helper()
	c, err := consul.New(consul.Options{Address: l.net + ".10:8500"})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	return c
}

func (l *labSite) drill(kind string, more ...string) outcome {
	l.t.Helper()
	args := []string{"drill", kind, "main", "--key", filepath.Join(l.dir, "fleet.key"), "--yes", "-o", "json", "--timeout", "40s"}
	return l.verb(append(args, more...)...)
}

// drilled reads the report of a drill that went well.
func (l *labSite) drilled(o outcome) (r drill.Report) {
	l.t.Helper()
	if o.code != exitGood {
		l.t.Fatalf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		l.t.Fatal(err)
	}
	if !r.Whole || !r.Looked || !r.Cleaned || r.WholeMS <= 0 || r.GapMS <= 0 || r.Acknowledged < 10 || len(r.Violations) > 0 {
		l.t.Errorf("the report is %+v", r)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(o.stdout), &fields); err != nil {
		l.t.Fatal(err)
	}
	want := []string{"acknowledged", "after_cut_ms", "at", "calm_gap_ms", "cleaned", "dual_ms", "failed", "fleet", "forced", "gap_ms", "group", "kind",
		"looked", "lost", "lost_waited", "master_after", "master_before", "violations", "waited", "whole", "whole_ms", "why"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(fields))); diff != "" {
		l.t.Error(diff)
	}
	l.t.Logf("%s: no write for %d ms, %d lost of %d, whole after %d ms", r.Kind, r.GapMS, r.Lost, r.Acknowledged, r.WholeMS)
	return r
}

// via stands for ssh: a program that runs what follows the node's name on that node.
func (l *labSite) via() string {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	path := filepath.Join(l.t.TempDir(), "via")
	text := fmt.Sprintf("#!/bin/sh\nnode=$1; shift 2; exec %s \"$@\" --config %s/$node/agent.toml\n", self, l.dir)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// TestDrillRefuses: what is wrong with the command line, and with a group.
func TestDrillRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put(s.keys.Spec(), shopRecord())
	run := func(args ...string) outcome {
		return s.run(append([]string{"drill"}, append(args, "--key", s.keyFile)...)...)
	}
	run("failover", "main", "-o", "json").want(t, exitUsage, "", "--yes")
	run("failover", "mian", "--yes").want(t, exitUsage, "", `did you mean "main"?`)
	run("isolate", "main", "--for", "10m").want(t, exitUsage, "", "it may be 1s to 5m0s")
	run("failover", "main", "--force", drill.ReasonMajority).want(t, exitUsage, "", "nothing passes over that")
	run("failover", "main", "--yes").want(t, exitOther, "", "nothing was done: group \"main\" has no sentinels")
	redfleet(t, "drill", "failvoer").want(t, exitUsage, "", `did you mean "failover"?`)
	redfleet(t, "drill", "act", "failover", "main").want(t, exitUsage, "", "known are kill and isolate")
	if _, found, err := s.client.Get(t.Context(), s.keys.Drill()); found || err != nil {
		t.Errorf("a refused drill took the lock (%v)", err)
	}
	if want := []string{"redfleet", "drill", "act", "isolate", "main", "--yes", "--for", "20s"}; !slices.Equal(want,
		rehearsal.Command(rehearsal.Options{Kind: drill.Isolate, Group: "main", Cut: 20 * time.Second})) {
		t.Error("another command is shown")
	}
}
