package assess_test

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	at "github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestBoundsOfChecks: each bound of a check, met exactly and passed by one.
func TestBoundsOfChecks(t *testing.T) {
	t.Parallel()
	behind := func(bytes map[string]int64) func(w fleet.World) {
		return func(w fleet.World) {
			at.Redis(w, "n1").Redis.Behind = map[string]int64{}
			for node, n := range bytes {
				at.Redis(w, "n1").Redis.Behind[at.Server(node).String()] = n
			}
		}
	}
	for _, c := range []struct {
		name, check string
		do          func(w fleet.World)
		seen        string
	}{
		{"a report of four minutes", assess.CheckReports, func(w fleet.World) { reported(w, "n2", 4*time.Minute) }, "3 nodes reporting"},
		{"a report older than four minutes", assess.CheckReports, func(w fleet.World) { reported(w, "n2", 4*time.Minute+1) },
			"n2: its agent is connected, but its report is 4m0s old: look at the agent, or at the clocks"},
		{"a clock half a minute ahead", assess.CheckReports, func(w fleet.World) { reported(w, "n2", -30*time.Second) }, "3 nodes reporting"},
		{"a clock more than half a minute ahead", assess.CheckReports, func(w fleet.World) { reported(w, "n2", -30*time.Second-1) },
			"n2: its clock is 30s ahead of this machine's"},
		{"16 MiB behind follow", assess.CheckOffsets, behind(map[string]int64{"n2": 16 << 20}), "at most 16 MiB behind"},
		{"16 MiB and a byte do not", assess.CheckOffsets, behind(map[string]int64{"n2": 16<<20 + 1}), "n2 is 16 MiB behind"},
		{"the one that is furthest behind counts", assess.CheckOffsets, behind(map[string]int64{"n2": 2 << 20, "n3": 64 << 10}),
			"at most 2 MiB behind"},
		{"one MiB", assess.CheckOffsets, behind(map[string]int64{"n3": 1 << 20}), "at most 1 MiB behind"},
		{"less than a MiB", assess.CheckOffsets, behind(map[string]int64{"n3": 1<<20 - 1}), "at most 1023 KiB behind"},
		{"one GiB", assess.CheckOffsets, behind(map[string]int64{"n3": 1 << 30}), "n3 is 1 GiB behind"},
		{"less than a GiB", assess.CheckOffsets, behind(map[string]int64{"n3": 1<<30 - 1}), "n3 is 1023 MiB behind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Sentinel, 3)
			c.do(w)
			if got := check(t, assess.Group(w, at.Group), c.check).Seen; got != c.seen {
				t.Errorf("seen is %q,\nwant    %q", got, c.seen)
			}
		})
	}
}

// TestTheLargerOfQuorumAndMajorityCounts: a failover needs the quorum to find the
// master down and a majority to authorise it.
func TestTheLargerOfQuorumAndMajorityCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		quorum int
		ok     bool
		says   string
	}{
		{"a quorum below the majority", 1, true, "redis-main-6379 on n1, the last master, is held; the sentinels are to promote a replica."},
		{"a quorum above it", 3, false, "redis-main-6379 on n1, the last master, is held; " +
			"no failover can be agreed on: 2 of 3 sentinels reachable, 3 needed: bring their nodes back."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Sentinel, 3)
			w.Spec.Spec.Groups[0].Sentinel.Quorum = c.quorum
			at.Redis(w, "n1").State, at.SentinelOn(w, "n1").State = fleet.Held, fleet.Held
			a := assess.Group(w, at.Group)
			if a.Quorum.OK != c.ok || a.Reason != c.says {
				t.Errorf("quorum %+v: %s", *a.Quorum, a.Reason)
			}
		})
	}
	w := at.Healthy(fleet.Sentinel, 3)
	w.Spec.Spec.Groups[0].Sentinel.Quorum = 1
	for _, node := range []string{"n1", "n2"} {
		at.SentinelOn(w, node).State = fleet.Held
	}
	at.Redis(w, "n1").State = fleet.Held
	a := assess.Group(w, at.Group)
	want := "redis-main-6379 on n1, the last master, is held; no failover can be agreed on: 1 of 3 sentinels reachable, 2 needed: bring their nodes back."
	if a.Quorum.OK || a.Reason != want {
		t.Errorf("quorum 1 without a majority: %+v: %s", *a.Quorum, a.Reason)
	}
}

// TestPlacement: what is said of few sentinels, and of their places.
func TestPlacement(t *testing.T) {
	t.Parallel()
	for nodes, want := range map[int]string{
		1: "1 of 1 reachable (note: 1 sentinel cannot outvote the loss of one; use 3)",
		2: "2 of 2 reachable (note: 2 sentinels cannot outvote the loss of one; use 3)",
		3: "3 of 3 reachable",
	} {
		if got := check(t, assess.Group(at.Healthy(fleet.Sentinel, nodes), at.Group), assess.CheckMajority).Seen; got != want {
			t.Errorf("%d sentinels: seen is %q, want %q", nodes, got, want)
		}
	}
}
