package history

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestSoundHistory: where nothing is wrong nothing is found, and all is counted.
func TestSoundHistory(t *testing.T) {
	r := Check(*sound())
	if len(r.Violations) > 0 {
		t.Errorf("violations in a sound history: %q", r.Violations)
	}
	want := Found{Acknowledged: 2 * 279, Waited: 279, Failed: 40, Gap: 2001 * ms}
	if diff := cmp.Diff(want, r.Total); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if len(r.Rows) != 2 || r.Rows[0].Fault != nil || r.Rows[1].Fault.Number != 1 || r.Rows[0].To != 10*time.Second {
		t.Errorf("the windows are %+v", r.Rows)
	}
}

// TestPlantedViolationsAreFound plants one thing that is wrong into a sound history:
// the checker counts it, in the right window, and says so; and it says nothing else.
func TestPlantedViolationsAreFound(t *testing.T) {
	cases := []struct {
		name  string
		plant func(h *History)
		found func(calm, fault Found) bool
		says  string
	}{
		{"a write is lost on every server", func(h *History) { h.without("", "plain", 20*time.Second, 98) },
			func(calm, fault Found) bool { return fault.Lost == 1 && fault.LostWaited == 0 && calm.Lost == 0 },
			"fault 1 (kill, redis of n1): group main: 1 acknowledged writes were lost"},
		{"a write is lost on one replica", func(h *History) { h.without("n3", "plain", 20*time.Second, 150) },
			func(_, fault Found) bool { return fault.Lost == 1 }, "1 acknowledged writes were lost"},
		{"a write that was there is gone later", func(h *History) { h.without("", "plain", 20*time.Second, 3, 4) },
			func(calm, fault Found) bool { return fault.Lost == 2 && calm.Lost == 0 }, "2 acknowledged writes were lost"},
		{"a write is lost before any fault", func(h *History) { h.without("", "plain", 0, 3) },
			func(calm, fault Found) bool { return calm.Lost == 1 && fault.Lost == 0 }, "before the first fault: group main: 1 acknowledged"},
		{"a write that every replica had is lost", func(h *History) {
			h.Faults[0].Claims[0].Lost = Unclaimed
			h.without("", "wait", 20*time.Second, 99)
		}, func(_, fault Found) bool { return fault.LostWaited == 1 && fault.Lost == 1 }, "1 writes were lost that every replica had (WAIT)"},
		{"everything is gone", func(h *History) {
			for i := range h.Groups[0].Kept {
				h.Groups[0].Kept[i].Spans = nil
			}
		}, func(calm, fault Found) bool { return calm.Lost == 100 && fault.Lost > 300 }, "acknowledged writes were lost"},
		{"a write is there twice", func(h *History) { h.Groups[0].Kept[1].Twice = []int{7} },
			func(_, fault Found) bool { return fault.Twice == 1 }, "1 numbers are there twice"},
		{"two masters take writes", func(h *History) {
			h.Groups[0].Probes[2] = Probe{Node: "n1", From: 13 * time.Second, To: 14 * time.Second}
		},
			func(calm, fault Found) bool { return fault.Dual == time.Second && calm.Dual == 0 }, "two servers took writes at once for 1000 ms"},
		{"two masters for longer than stated", func(h *History) {
			h.Faults[0].Claims[0].Dual = 400 * ms
			h.Groups[0].Probes[0].To += 2500 * ms
		}, func(_, fault Found) bool { return fault.Dual == 500*ms }, "for 500 ms, at most 400 ms may be"},
		{"two masters before any fault", func(h *History) {
			h.Groups[0].Probes = append(h.Groups[0].Probes, Probe{Node: "n3", From: time.Second, To: 1300 * ms})
		}, func(calm, _ Found) bool { return calm.Dual == 300*ms }, "before the first fault: group main: two servers"},
		{"clients have no master for long", func(h *History) { h.Faults[0].Claims[0].Gap = 2 * time.Second },
			func(_, fault Found) bool { return fault.Gap == 2001*ms }, "clients had no master for 2001 ms"},
		{"an isolated master goes on taking probes", func(h *History) {
			isolated(h)
			h.Groups[0].Probes[0].To = 11100 * ms
		}, func(_, fault Found) bool { return fault.Isolated == 1100*ms }, "a server that its peers do not reach took writes for 1100 ms, at most 1000 ms"},
		{"an isolated master goes on, from when the cut had been made", func(h *History) {
			isolated(h)
			h.Faults[0].Made = 10400 * ms
			h.Groups[0].Probes[0].To = 11500 * ms
		}, func(_, fault Found) bool { return fault.Isolated == 1100*ms }, "a server that its peers do not reach took writes for 1100 ms, at most 1000 ms"},
		{"an isolated master goes on taking a client's writes", func(h *History) {
			isolated(h)
			h.Groups[0].Writes[115].Class = OK
			h.without("", "plain", time.Hour)
			h.Faults[0].Claims[0].Lost = Unclaimed
		}, func(_, fault Found) bool { return fault.Isolated == 1501*ms && fault.Lost == 1 }, "took writes for 1501 ms"},
		{"a write's password is refused", func(h *History) { h.Groups[0].Writes[105].Class = Credentials },
			func(_, fault Found) bool { return fault.Credentials == 1 }, "1 times a password was refused"},
		{"a read's password is refused", func(h *History) { h.Groups[0].Reads[0].Class = Credentials },
			func(calm, _ Found) bool { return calm.Credentials == 1 }, "before the first fault: group main: 1 times a password"},
		{"a probe's password is refused", func(h *History) { h.Groups[0].Probes[1].Class = Credentials },
			func(_, fault Found) bool { return fault.Credentials == 10 }, "10 times a password was refused"},
		{"a unit is restarted that the fault does not touch", func(h *History) { rerun(h, "n1", "sentinel", 15*time.Second) },
			func(calm, fault Found) bool { return fault.Unasked == 1 && calm.Unasked == 0 }, "sentinel on n1 was restarted, and nobody asked"},
		{"a unit of another node is restarted", func(h *History) { rerun(h, "n2", "redis", 15*time.Second) },
			func(_, fault Found) bool { return fault.Unasked == 1 }, "redis on n2 was restarted"},
		{"a unit is restarted before any fault", func(h *History) { rerun(h, "n3", "redis", 8*time.Second) },
			func(calm, _ Found) bool { return calm.Unasked == 1 }, "before the first fault: redis on n3"},
		{"it is never whole again, without a reason", func(h *History) { h.Faults[0].Whole = 0 },
			func(_, _ Found) bool { return true }, "it was not whole again, and nobody said why"},
		{"the maker of the fault found something", func(h *History) { h.Faults[0].Broken = []string{"the status lies"} },
			func(_, _ Found) bool { return true }, "fault 1 (kill, redis of n1): the status lies"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := sound()
			c.plant(h)
			r := Check(*h)
			if !c.found(r.Rows[0].All, r.Rows[1].All) {
				t.Errorf("counted before the fault %+v, in its window %+v", r.Rows[0].All, r.Rows[1].All)
			}
			if !slices.ContainsFunc(r.Violations, func(v string) bool { return strings.Contains(v, c.says) }) {
				t.Errorf("nothing says %q: %q", c.says, r.Violations)
			}
			if c.name != "everything is gone" && len(r.Violations) != 1 {
				t.Errorf("%d violations, one was planted: %q", len(r.Violations), r.Violations)
			}
		})
	}
}

func isolated(h *History) {
	f := &h.Faults[0]
	f.Isolated, f.Healed, f.Claims[0].Isolated = "n1", 14*time.Second, time.Second
}

// rerun makes a unit another run from a time on.
func rerun(h *History, node, unit string, from time.Duration) {
	for i := range h.Units {
		if u := &h.Units[i]; u.Node == node && u.Unit == unit && u.Time > from {
			u.Run = "another"
		}
	}
}

// TestStaleReads: a read that does not show what was acknowledged before it began is
// counted for the master, and its age for every server.
func TestStaleReads(t *testing.T) {
	h := sound()
	reads := h.Groups[0].Reads
	reads[20].Seq -= 3                                                // of the master, just before the write of 300 ms ago
	reads[30].Seq, reads[30].Master, reads[30].Node = -1, false, "n3" // a replica that is empty
	r := Check(*h)
	calm := r.Rows[0].All
	if calm.StaleMaster != 1 || calm.Stale != reads[30].Start-ms {
		t.Errorf("%d stale reads of the master, the oldest of all by %s", calm.StaleMaster, calm.Stale)
	}
}

// TestLostWritesAreCounted plants any losses: they are counted exactly, each once.
func TestLostWritesAreCounted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := sound()
		h.Groups[0].Reads = nil
		plain := rapid.SliceOfDistinct(rapid.IntRange(0, 240), rapid.ID[int]).Draw(t, "plain")
		wait := rapid.SliceOfDistinct(rapid.IntRange(0, 240), rapid.ID[int]).Draw(t, "wait")
		nodes := rapid.SampledFrom([]string{"", "n1", "n2", "n3"})
		h.without(nodes.Draw(t, "node"), "plain", rapid.SampledFrom([]time.Duration{0, 20 * time.Second}).Draw(t, "after"), plain...)
		h.without(nodes.Draw(t, "node"), "wait", 0, wait...)
		sure := func(n int) bool { return n < 100 || n >= 120 } // the others were never acknowledged
		total := Check(*h).Total
		if want := count(plain, sure) + count(wait, sure); total.Lost != want {
			t.Errorf("%d lost, %d were planted", total.Lost, want)
		}
		if want := count(wait, sure); total.LostWaited != want {
			t.Errorf("%d waited ones lost, %d were planted", total.LostWaited, want)
		}
	})
}

func count(numbers []int, is func(int) bool) (n int) {
	for _, number := range numbers {
		if is(number) {
			n++
		}
	}
	return n
}

// TestDualIsTheOverlap: any two rows of accepted probes of different servers count
// for the time that they have in common, and for none on one server.
func TestDualIsTheOverlap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.IntRange(0, 29_000)
		row := func(node string) Probe {
			a, b := moment.Draw(t, "a"), moment.Draw(t, "b")
			return Probe{Node: node, From: time.Duration(min(a, b)) * ms, To: time.Duration(max(a, b)) * ms}
		}
		h := sound()
		a, b := row("n1"), row(rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node"))
		h.Groups[0].Reads, h.Groups[0].Writes, h.Groups[0].Probes = nil, nil, []Probe{a, b}
		h.Faults = nil
		want := max(0, min(a.To, b.To)-max(a.From, b.From))
		if a.Node == b.Node {
			want = 0
		}
		if got := Check(*h).Total.Dual; got != want {
			t.Errorf("%v and %v: %s, not %s", a, b, got, want)
		}
	})
}

// TestSpans: what goes in can be looked up, and nothing else.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.IntRange(0, 40)).Draw(t, "numbers")
		spans, twice := SpansOf(numbers)
		k := Kept{Spans: spans}
		seen := map[int]int{}
		for _, n := range numbers {
			seen[n]++
		}
		more := 0
		for n := -1; n <= 41; n++ {
			if k.has(n) != (seen[n] > 0) {
				t.Errorf("has(%d) is %v in %v of %v", n, k.has(n), spans, numbers)
			}
			more += max(0, seen[n]-1)
		}
		if len(twice) != more {
			t.Errorf("%d numbers are there twice: %v of %v", more, twice, numbers)
		}
	})
}

// TestHistoryAsJSON: what is written is what is read, and is judged alike.
func TestHistoryAsJSON(t *testing.T) {
	h := *sound()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var back History
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h, back); diff != "" {
		t.Error(diff)
	}
}
