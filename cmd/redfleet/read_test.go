package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
)

func shopRecord() fleet.SpecRecord {
	return fleet.SpecRecord{Format: fleet.Format, Spec: fleet.Spec{
		Fleet:  fleet.FleetSpec{Name: "shop"},
		Groups: []fleet.GroupSpec{{Name: "main", Nodes: []string{"n1", "n2", "n3"}}},
	}.WithDefaults()}
}

// noConsul is an address at which nobody answers.
const noConsul = "127.0.0.1:1"

func TestConsulOut(t *testing.T) {
	for _, args := range [][]string{
		{"status"}, {"status", "--watch"}, {"verify"}, {"events"}, {"apply", file(t, "spec.toml", shopSpec)},
	} {
		t.Run(strings.Join(args[:1], " "), func(t *testing.T) {
			args := append(args, "--consul", noConsul, "--fleet", "shop")
			redfleet(t, args...).want(t, exitUnreachable, "", "Consul")
		})
	}
}

func TestConsulDenies(t *testing.T) {
	s := newSite(t)
	s.stand.SetError(403)
	s.run("verify").want(t, exitOther, "", "token")
}

func TestStatusAndVerifyOfAnEmptyConsul(t *testing.T) {
	s := newSite(t)
	s.run("status").want(t, exitGood, "has no group yet", "")
	s.run("verify").want(t, exitCheckFailed, "no spec in Consul", "")
	s.run("events").want(t, exitGood, "", "")
}

func TestStatusOfAFormingGroup(t *testing.T) {
	s := newSite(t)
	s.put(s.keys.Spec(), shopRecord())
	s.run("status").want(t, exitGood, "forming", "")
	s.run("verify").want(t, exitCheckFailed, "FAILED", "")
	s.run("verify", "main").want(t, exitCheckFailed, "reports", "")
	s.run("verify", "mian").want(t, exitUsage, "", `did you mean "main"?`)
}

// The names of the fields are a promise; docs/json.md lists them.
func TestJSONFields(t *testing.T) {
	s := newSite(t)
	s.put(s.keys.Spec(), shopRecord())
	s.put(s.keys.Event("01"), fleet.Event{At: time.Now(), Who: "c1", Node: "n1", Group: "main", What: "elected", Why: "first by name"})
	tests := map[string]struct {
		args []string
		code int
		want map[string][]string
	}{
		"status": {[]string{"status"}, exitGood, map[string][]string{
			"":       {"fleet", "groups", "requests"},
			"groups": {"credentials_version", "master", "name", "quorum", "reason", "replicas", "sentinels", "state", "topology"},
		}},
		"verify": {[]string{"verify"}, exitCheckFailed, map[string][]string{
			"": {"checks", "ok"}, "checks": {"age_s", "group", "name", "ok", "seen", "want"},
		}},
		"events": {[]string{"events"}, exitGood, map[string][]string{
			"": {"events", "fleet"}, "events": {"at", "group", "node", "what", "who", "why"},
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			out := s.run(append(tc.args, "-o", "json")...)
			if out.code != tc.code {
				t.Errorf("exit code %d, want %d", out.code, tc.code)
			}
			var doc map[string]json.RawMessage
			if err := json.Unmarshal([]byte(out.stdout), &doc); err != nil {
				t.Fatalf("%v in %s", err, out.stdout)
			}
			for list, fields := range tc.want {
				got := doc
				if list != "" {
					var items []map[string]json.RawMessage
					if err := json.Unmarshal(doc[list], &items); err != nil || len(items) == 0 {
						t.Fatalf("%s: %v in %s", list, err, doc[list])
					}
					got = items[0]
				}
				if diff := cmp.Diff(fields, slices.Sorted(maps.Keys(got))); diff != "" {
					t.Errorf("fields of %q: %s", list, diff)
				}
			}
		})
	}
}

// Reading creates no session and changes no record (hazard K6).
func TestReadingWritesNothing(t *testing.T) {
	s := newSite(t)
	s.put(s.keys.Spec(), shopRecord())
	index := func() (out []uint64) {
		entries, err := s.client.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, e.Index)
		}
		return out
	}
	before := index()
	// Every request that could write is refused with an error.
	s.stand.SetFaults(devFaults("/v1/session"))
	for _, args := range [][]string{{"status"}, {"verify"}, {"events"}, {"credentials", "show", "main"}} {
		if out := s.run(args...); out.code == exitUnreachable {
			t.Errorf("%v asked for a session: %s", args, out.stderr)
		}
	}
	s.stand.SetFaults(devFaults(""))
	if diff := cmp.Diff(before, index()); diff != "" {
		t.Errorf("a record changed: %s", diff)
	}
}

func TestUnreadableRecords(t *testing.T) {
	s := newSite(t)
	s.put(s.keys.Spec(), shopRecord())
	if _, err := s.client.Txn(t.Context(), consul.Set(s.keys.Goal("n1"), []byte(`{"format":1,"no`))); err != nil {
		t.Fatal(err)
	}
	s.run("status").want(t, exitGood, "forming", "goal/n1")
	s.run("verify").want(t, exitCheckFailed, "records", "")
	s.run("apply", file(t, "spec.toml", shopSpec)).want(t, exitOther, "", "nothing was changed")
}

func TestEvents(t *testing.T) {
	s := newSite(t)
	now := time.Now()
	s.put(s.keys.Event("01A"), fleet.Event{At: now.Add(-time.Hour), Who: "c1", What: "long ago"})
	s.put(s.keys.Event("01B"), fleet.Event{At: now, Who: "agent n1", Node: "n1", Group: "main", What: "just now", Why: "because"})
	s.run("events").want(t, exitGood, "long ago", "")
	out := s.run("events", "--since", "10m")
	out.want(t, exitGood, "main@n1    just now: because", "")
	if strings.Contains(out.stdout, "long ago") {
		t.Errorf("--since shows what was before: %s", out.stdout)
	}
	// Written last, and earlier than what was written before it.
	s.put(s.keys.Event("01C"), fleet.Event{At: now.Add(-time.Minute), Who: "agent n1", What: "the cause"})
	if text := s.run("events").stdout; strings.Index(text, "the cause") > strings.Index(text, "just now") {
		t.Errorf("not the oldest first:\n%s", text)
	}
}

// lines gives what is written to it, line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l <- line
	}
	return len(p), nil
}

func (l lines) await(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case line := <-l:
			if strings.Contains(line, want) {
				return
			}
		case <-deadline:
			t.Fatalf("no line with %q came", want)
		}
	}
}

func TestWatch(t *testing.T) {
	s := newSite(t)
	s.put(s.keys.Spec(), shopRecord())
	tests := map[string]struct {
		args         []string
		first, later string
		change       func()
	}{
		"status": {[]string{"status", "-o", "json"}, `"state":"forming"`, `"name":"second"`, func() {
			rec := shopRecord()
			rec.Spec.Groups = append(rec.Spec.Groups, fleet.GroupSpec{Name: "second", Nodes: []string{"n1"}, Port: 7000})
			s.put(s.keys.Spec(), rec)
		}},
		"events": {[]string{"events"}, "", "a new thing", func() {
			s.put(s.keys.Event("01C"), fleet.Event{At: time.Now(), Who: "c1", What: "a new thing"})
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			out, code := make(lines, 1000), make(chan int)
			args := append(tc.args, "--watch", "--consul", s.address, "--fleet", "shop")
			go func() { code <- run(ctx, args, out, out) }()
			if tc.first != "" {
				out.await(t, tc.first)
			}
			tc.change()
			out.await(t, tc.later)
			cancel()
			if got := <-code; got != exitGood {
				t.Errorf("interrupted, it ended with %d", got)
			}
		})
	}
}
