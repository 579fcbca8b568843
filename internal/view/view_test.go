package view

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/internal/change"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/lab"
	"github.com/redfleet/redfleet/internal/verdict"
)

func addrOf(host string, port int) fleet.Addr { return fleet.Addr{Host: host, Port: port} }

func degraded() verdict.Status {
	return verdict.NewStatus("shop", []fleet.Assessment{
		{
			Name: "main", Topology: fleet.Sentinel, State: fleet.GroupDegraded, Reason: "n1 is gone.",
			Master:             &fleet.MasterStatus{Node: "n2", Addr: addrOf("10.0.0.2", 6379)},
			Replicas:           []fleet.ReplicaStatus{{Node: "n1", Addr: addrOf("10.0.0.1", 6379), Link: "down", LagBytes: 3 << 20}},
			Sentinels:          []fleet.SentinelStatus{{Node: "n1", Addr: addrOf("10.0.0.1", 26379)}, {Node: "n2", Addr: addrOf("10.0.0.2", 26379), OK: true}},
			Quorum:             &fleet.QuorumStatus{Required: 2, Reachable: 1, Majority: 2},
			CredentialsVersion: 1,
		},
		{Name: "new", Topology: fleet.Replication, State: fleet.GroupForming, Reason: "waiting for n1."},
	})
}

func ofAFault() history.Result {
	f := history.Found{Acknowledged: 5, Failed: 3, Lost: 1, Dual: 40 * time.Millisecond, Gap: 2100 * time.Millisecond, Unasked: 1}
	total := f
	total.Acknowledged = 15
	return history.Result{Total: total, Violations: []string{"fault 1: something"}, Rows: []history.Row{
		{To: time.Second, All: history.Found{Acknowledged: 10}},
		{From: time.Second, To: time.Minute, All: f, Restarts: []string{"sentinel on n2"}, Fault: &history.Fault{Number: 1, Kind: "kill",
			Target: "redis of n1", Start: time.Second, Whole: 3500 * time.Millisecond, Why: "it waits"}},
	}}
}

func ofTwoGroups() history.Result {
	fault := func(number int, groups map[string]history.Found) history.Row {
		return history.Row{Groups: groups, Fault: &history.Fault{Number: number, Kind: "cut", Start: time.Second, Whole: time.Duration(number+7) * time.Second, Claims: []history.Claim{
			{Group: "a", Lost: history.Unclaimed, Dual: history.Unclaimed, Isolated: history.Unclaimed},
			{Group: "b", Dual: 2 * time.Second, Isolated: 4 * time.Second}}}}
	}
	never := history.Row{Fault: &history.Fault{Number: 3, Kind: "kill", Start: time.Second}}
	again := history.Row{Fault: &history.Fault{Number: 4, Kind: "cut", Start: time.Second}}
	return history.Result{Rows: []history.Row{{}, never, again, // before the first fault
		fault(1, map[string]history.Found{"a": {Lost: 1, Dual: 1200 * time.Millisecond}, "b": {Isolated: 2500 * time.Millisecond}}),
		fault(2, map[string]history.Found{"a": {Lost: 2, LostWaited: 1}, "b": {Dual: 700 * time.Millisecond}}),
	}}
}

func render(t *testing.T, f func(*strings.Builder) error) string {
	t.Helper()
	var b strings.Builder
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	return "\n" + b.String()
}

func TestTables(t *testing.T) {
	plain := Style{}
	zone := time.FixedZone("", 3600)
	tests := map[string]struct {
		render func(*strings.Builder) error
		want   string
	}{
		"history": {func(b *strings.Builder) error { return History(b, ofAFault(), Style{Width: 300}) }, `
no.  fault     target       took   no master  acked  failed  lost  two masters  after cut  stale  refused  restarts  remark
     none yet               1.0 s  -          10     0       0     -            -          -      0        0
1    kill      redis of n1  2.5 s  2100 ms    5      3       1     40 ms        -          -      0        1         sentinel on n2; it waits
     all                           2100 ms    15     3       1     40 ms        -          -      0        1
violated: fault 1: something
`},
		"history by kind": {func(b *strings.Builder) error { return HistoryKinds(b, ofTwoGroups(), Style{}) }, `
fault  n  whole after     waited lost  lost, a  lost, b  two masters     two masters     after cut ms,   after cut ms,
                                                         ms, a           ms, b           a               b
cut    3  8.0 s, 1 never  1 ≤ 0        3        0 ≤ 0    1200            700 ≤ 2000      -               2500 ≤ 4000
kill   1  never           0 ≤ 0
`},
		"status": {func(b *strings.Builder) error { return Status(b, degraded(), plain) }, `
shop/main  degraded  n1 is gone.
  role      node  address         state
  master    n2    10.0.0.2:6379
  replica   n1    10.0.0.1:6379   link down, 3 MiB behind
  sentinel  n1    10.0.0.1:26379  not ok
  sentinel  n2    10.0.0.2:26379  ok
  quorum 2, majority 2: 1 reachable; credentials version 1

shop/new  forming  waiting for n1.
  role    node  address  state
  master  none
  replication: no automatic failover; no credentials yet
`},
		"status of nothing": {func(b *strings.Builder) error { return Status(b, verdict.NewStatus("shop", nil), plain) }, `
fleet shop has no group yet; make one with: redfleet apply FILE
`},
		"a long reason": {func(b *strings.Builder) error {
			st := degraded()
			st.Groups = st.Groups[1:]
			st.Groups[0].Reason = "waiting for n1, which has not been seen for so long that somebody ought to look"
			return Status(b, st, Style{Width: 60})
		}, `
shop/new  forming
  waiting for n1, which has not been seen for so long that
  somebody ought to look
  role    node  address  state
  master  none
  replication: no automatic failover; no credentials yet
`},
		"verdict": {func(b *strings.Builder) error {
			return Verdict(b, verdict.Verdict{Checks: []fleet.Check{
				{Name: "spec", OK: true, Seen: "a spec"},
				{Name: "roles", Group: "main", Seen: "two masters", Want: "one master", AgeS: 61},
			}}, plain)
		}, `
check  group  result  age   seen
spec   -      ok      0.0s  a spec
roles  main   FAILED  61s   two masters
                            wanted: one master
1 of 2 checks failed
`},
		"events": {func(b *strings.Builder) error {
			when := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
			return Events(b, []fleet.Event{
				{At: when, Who: "agent n1", Node: "n1", Group: "main", What: "started again", Why: "it was down"},
				{At: when, Who: "c1", What: "took the lease"},
			}, zone, plain)
		}, `
2026-01-02 04:04:05.006  agent n1       main@n1    started again: it was down
2026-01-02 04:04:05.006  c1             -          took the lease
`},
		"processes": {func(b *strings.Builder) error {
			return Processes(b, []lab.Process{
				{Name: "devconsul", State: fleet.UnitActive, PID: 17},
				{Node: "n1", Name: "agent-n1", State: fleet.UnitFailed, Exit: "signal: killed"},
			}, plain)
		}, `
node  process    pid  state
-     devconsul  17   active
n1    agent-n1   -    failed (signal: killed)
`},
		"preflight": {func(b *strings.Builder) error {
			return Preflight(b, preflight.Document{Fleet: "shop", Node: "n1", Spec: "spec.toml", Errors: 1, Warnings: 1, Checks: []preflight.Result{
				{Name: "engine", Status: preflight.OK, Found: "redis 7.0.15", Why: "not told"},
				{Name: "memory", Status: preflight.Warning, Found: "no maxmemory", Why: "it grows", Do: "set it"},
				{Name: "disk", Status: preflight.Error, Found: "full", Why: "writes stop", Do: "free some"},
				{Name: "clock", Status: preflight.Ignored, Was: preflight.Error, Found: "an hour ahead", Why: "not told"},
				{Name: "names", Status: preflight.NotApplicable, Found: "no names"},
			}}, plain)
		}, `
check   result          found
engine  ok              redis 7.0.15
memory  warning         no maxmemory
                        why: it grows
                        do: set it
disk    ERROR           full
                        why: writes stop
                        do: free some
clock   ignored error   an hour ahead
names   not applicable  no names
shop/n1, by spec.toml: 1 error, 1 warning in 5 checks; nothing new can be installed here
`},
		"plan": {func(b *strings.Builder) error {
			spec := fleet.Spec{Groups: []fleet.GroupSpec{
				{Name: "a", Nodes: []string{"n1"}, Topology: fleet.Replication, Password: fleet.PasswordSpec{File: "/p"}},
				{Name: "b", Nodes: []string{"n1", "n2", "n3"}, Prefer: "n2"},
			}, Fleet: fleet.FleetSpec{Name: "shop"}}.WithDefaults()
			return Plan(b, "shop", change.Plan{Make: spec.Groups, Missing: []string{"n3"}}, map[string]string{"a": "n1"}, plain)
		}, `
fleet shop
  group  topology     nodes           sentinels                  password   begins with
  + a    replication  n1 :6379        none                       from /p    n1
  + b    sentinel     n1 n2 n3 :6379  n1 n2 n3 :26379, quorum 2  generated  n2, unless data decides
waiting for n3: no agent has reported from there yet; their groups form when one does
`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, render(t, tc.render)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Without a terminal there is no escape sequence; with one the text is the same
// beside them.
func TestColour(t *testing.T) {
	with := func(s Style) string {
		return render(t, func(b *strings.Builder) error { return Status(b, degraded(), s) })
	}
	if plain := with(Style{}); strings.Contains(plain, "\x1b") {
		t.Errorf("colour where none is wanted: %q", plain)
	}
	if colour := with(Style{Color: true}); !strings.Contains(colour, "\x1b[") {
		t.Errorf("no colour: %q", colour)
	}
}

func TestHints(t *testing.T) {
	got := "\n" + Hints([]Hint{{"a", "first"}, {"longer", "second"}}, Style{})
	if diff := cmp.Diff("\ntry next\n  a        # first\n  longer   # second", got); diff != "" {
		t.Error(diff)
	}
	narrow := "\n" + Hints([]Hint{{"a", "first"}, {"longer", "second"}}, Style{Width: 18})
	if diff := cmp.Diff("\ntry next\n  # first\n  a\n  # second\n  longer", narrow); diff != "" {
		t.Error(diff)
	}
}

// No line is longer than the terminal is wide: it would be torn.
func TestEventsFitTheTerminal(t *testing.T) {
	e := fleet.Event{Who: "agent n1", Group: "main", Node: "n1", What: "state is starting, was electing",
		Why: strings.Repeat("waiting for redis-main-6379 on n1, ", 5)}
	for _, width := range []int{60, 80, 100, 200} {
		for _, color := range []bool{false, true} {
			got := render(t, func(b *strings.Builder) error {
				return Events(b, []fleet.Event{e}, time.UTC, Style{Width: width, Color: color})
			})
			for line := range strings.Lines(got) {
				if n := text.StringWidthWithoutEscSequences(strings.TrimRight(line, "\n")); n > width {
					t.Errorf("%d columns in a terminal of %d: %q", n, width, line)
				}
			}
		}
	}
}

// With every check at its longest no line of the table is torn either.
func TestPreflightFitsTheTerminal(t *testing.T) {
	var d preflight.Document
	for _, name := range preflight.Names() {
		long := strings.Repeat("what was found of it, ", 8)
		d.Checks = append(d.Checks, preflight.Result{Name: name, Status: preflight.Warning, Found: long, Why: long, Do: long},
			preflight.Result{Name: name, Status: preflight.Ignored, Was: preflight.Warning, Found: long})
	}
	for _, width := range []int{62, 80, 100, 200} {
		for _, color := range []bool{false, true} {
			got := render(t, func(b *strings.Builder) error { return Preflight(b, d, Style{Width: width, Color: color}) })
			for line := range strings.Lines(got) {
				if n := text.StringWidthWithoutEscSequences(strings.TrimRight(line, "\n")); n > width {
					t.Errorf("%d columns in a terminal of %d: %q", n, width, line)
				}
			}
		}
	}
}

func TestAgeAndBytes(t *testing.T) {
	ages := map[time.Duration]string{
		-time.Second: "0s", 300 * time.Millisecond: "0.3s", 61 * time.Second: "61s",
		5 * time.Minute: "5m", 30 * time.Hour: "30h", 72 * time.Hour: "3d",
	}
	for d, want := range ages {
		if got := Age(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
	sizes := map[int64]string{0: "0 B", 65536: "64 KiB", 5 << 20: "5 MiB", 3 << 29: "1.5 GiB"}
	for n, want := range sizes {
		if got := Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
