package main

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/secret"
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
	l.drill("failover").want(t, exitLocked, "", "redfleet drill failover: a drill or failover of this fleet is under way (somebody)")
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
	old := l.master()
	l.verb("node", "remove", old, "--yes").want(l.t, exitOther, "", "let another server take over first (redfleet failover main)")
	l.verb("node", "remove", old, "--failover", "--yes", "--key", filepath.Join(l.dir, "fleet.key")).
		want(l.t, exitGood, "is made", "the master was on "+old+" and is on ")
}

// failover moves the master away from where it is.
func (l *labSite) failover() {
	l.t.Helper()
	key := filepath.Join(l.dir, "fleet.key")
	l.verb("failover", "main", "--key", key).want(l.t, exitPending, "", "Its writes are held")
	old := l.master()
	l.verb("failover", "main", "--key", key, "--from", "n9", "--yes").want(l.t, exitUsage, "", "no server on a node of that name")
	o := l.verb("failover", "main", "--key", key, "--from", old, "--yes", "-o", "json", "--timeout", "40s")
	var d drill.Switched
	if err := json.Unmarshal([]byte(o.stdout), &d); err != nil || o.code != exitGood {
		l.t.Fatalf("exit code %d, %v\n%s%s", o.code, err, o.stdout, o.stderr)
	}
	if d.MasterAfter == d.MasterBefore || d.MasterAfter == "" || !d.Whole || d.HeldMS <= 0 || d.WholeMS < d.HeldMS || len(d.Warnings) > 0 {
		l.t.Errorf("%+v", d)
	}
	l.t.Logf("%s", strings.Join(d.Summary(), "; "))
	l.verb("status").want(l.t, exitGood, d.MasterAfter, "")
	// Once more it has nothing to do, and the machine may be worked on; one who was shown
	// another master than there is does nothing.
	l.verb("failover", "main", "--key", key, "--from", old, "--yes").want(l.t, exitGood, "the master is on "+d.MasterAfter+" already; nothing was done", "")
	open, err := secret.LoadKey(key)
	if err != nil {
		l.t.Fatal(err)
	}
	_, err = rehearsal.Failover(l.t.Context(), rehearsal.Options{Client: l.client(), Fleet: "lab", Group: "main", From: old, Key: open, Timeout: time.Minute, Effects: effect.New(nil)})
	if !errors.Is(err, rehearsal.ErrElsewhere) || !errors.Is(err, rehearsal.ErrRefused) {
		l.t.Errorf("from where the master is not: %v", err)
	}
	l.verb("failover", "main", "--key", key, "--from", d.MasterAfter).want(l.t, exitPending, "", "The master of main is on "+d.MasterAfter)
}

// master is the node of the group's master.
func (l *labSite) master() string {
	l.t.Helper()
	var st verdict.Status
	if err := json.Unmarshal([]byte(l.verb("status", "-o", "json").stdout), &st); err != nil || st.Groups[0].Master == nil {
		l.t.Fatalf("%v, %+v", err, st)
	}
	return st.Groups[0].Master.Node
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
	want := []string{"acknowledged", "after_cut_ms", "at", "calm_gap_ms", "cleaned", "done", "dual_ms", "failed", "fleet", "forced", "gap_ms", "group", "kind",
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

// TestDrillLock: one at a time; what is done under the lock tells its own error, and no
// word of the lock.
func TestDrillLock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	under := func(f func(ctx context.Context) error) error {
		return rehearsal.Locked(t.Context(), s.client, effect.New(nil), "shop", "me", time.Minute, f)
	}
	own := errors.New("nothing was changed: the replica lags")
	var second error
	first := under(func(context.Context) error {
		second = under(func(context.Context) error { t.Error("two at once"); return nil })
		return own
	})
	if first.Error() != own.Error() {
		t.Errorf("%q, want %q", first, own)
	}
	if !errors.Is(second, rehearsal.ErrLocked) || second.Error() != "a drill or failover of this fleet is under way (me); if it was killed, its lock ends by itself" {
		t.Errorf("the second: %v", second)
	}
	if err := under(func(context.Context) error { return nil }); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// TestDrillEnds: what must hold and did not comes first, then that the group is not whole;
// keys that stay are an error of their own, and hide neither.
func TestDrillEnds(t *testing.T) {
	t.Parallel()
	keys := errors.New("keys of the drill may be left")
	for name, tt := range map[string]struct {
		report drill.Report
		err    error
		want   int
	}{
		"good":                            {drill.Report{Done: true, Whole: true}, nil, exitGood},
		"keys stay":                       {drill.Report{Done: true, Whole: true}, keys, exitOther},
		"not whole":                       {drill.Report{Done: true}, nil, exitUnreachable},
		"not whole, and keys stay":        {drill.Report{Done: true}, keys, exitUnreachable},
		"a violation":                     {drill.Report{Done: true, Whole: true, Violations: []string{"x"}}, nil, exitCheckFailed},
		"a violation, and keys stay":      {drill.Report{Done: true, Whole: true, Violations: []string{"x"}}, keys, exitCheckFailed},
		"a violation, and it's not whole": {drill.Report{Done: true, Violations: []string{"x"}}, nil, exitCheckFailed},
		"nothing was done":                {drill.Report{}, rehearsal.ErrNoEffect, exitOther},
	} {
		if got := exitCode(errors.Join(tt.err, ended(tt.report))); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", name, got, tt.want)
		}
	}
}
