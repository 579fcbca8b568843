//go:build e2e

package evidence

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/history"
)

// downAfter is the group's: how long Sentinel alone waits before it acts.
const downAfter = 5 * time.Second

// crash is one kill -9 of the master's process, with what happens around it.
type crash struct {
	name string
	// before is done before the kill, after once the group is whole; nil for nothing.
	before, after func(context.Context, *scene) error
	// again starts the unit so long after the kill; systemd does it after a second
	// by itself where it is negative.
	again time.Duration
	// must is how many requests to a sentinel there have to be, or anyNumber.
	must int
}

// anyNumber: agent and boot fence race, and either may be first. More than one request
// is never right.
const anyNumber = -1

func crashes() []crash {
	list := []crash{{name: "its unit starts it again", again: -1, must: 1}}
	for _, delay := range []time.Duration{0, 20 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond, time.Second} {
		list = append(list, crash{name: "it is started again after " + delay.String(), again: delay, must: anyNumber})
	}
	return append(list,
		crash{name: "another asker holds the claim", before: holdClaim, after: endClaim, again: -1},
		crash{name: "the claim cannot be had: Consul is gone", before: stopConsul, after: startConsul, again: -1})
}

// TestEvidence kills the master's process with SIGKILL, once for each crash. Whatever
// happens around it, two servers never take writes at once, no write is lost that every
// replica had, at most one sentinel is asked, once, and the group is whole again by
// itself (hazards S18, S20). With a request clients write again before down-after is
// over; without, Sentinel's own failover does it.
func TestEvidence(t *testing.T) {
	ctx := machinetest.Context(t, 5*time.Minute)
	s := start(ctx, t)
	for i, c := range crashes() {
		if !t.Run(c.name, func(t *testing.T) { s.crash(ctx, t, i+1, c) }) {
			break // what follows builds on it
		}
	}
	s.judge(t)
}

// crash makes one crash and waits until the group is whole again.
func (s *scene) crash(ctx context.Context, t *testing.T, number int, c crash) {
	old := s.Settled(ctx, t, s.password)
	s.WaitServing(ctx, t)
	if err := s.ready(ctx, c.before); err != nil {
		t.Fatal(err)
	}
	asked := s.asked(ctx, t, old)
	f := history.Fault{Number: number, Kind: "kill -9 of the master", Target: old.Name + ", " + c.name, Start: s.recorder.Now(),
		Claims: []history.Claim{claim()}}
	check(t, kill(ctx, old, c.again))
	f.Healed = s.recorder.Now()
	now := s.other(ctx, t, old)
	if err := s.ready(ctx, c.after); err != nil {
		t.Fatal(err)
	}
	s.whole(ctx, t)
	f.Whole = s.recorder.Now()
	requests := s.asked(ctx, t, old) - asked
	if requests > 1 || c.must != anyNumber && requests != c.must {
		t.Errorf("%d requests to a sentinel for one crash\n%s", requests, s.said(ctx, t, old))
	}
	if requests == 0 { // Sentinel has to see it first
		f.Claims[0].Gap = history.Unclaimed
	}
	s.faults, s.requests = append(s.faults, f), append(s.requests, requests)
	t.Logf("%s took over from %s; %d requests; whole %.1f s after the kill", now.Name, old.Name, requests, (f.Whole - f.Start).Seconds())
}

// claim is what a crash is held to. There are two writers, each with one write on its
// way: no more can have been acknowledged and not sent on (S20 would lose thousands).
func claim() history.Claim {
	return history.Claim{Group: machinetest.GroupName, Lost: writers, LostWaited: 0, Dual: 0, Isolated: history.Unclaimed, Gap: downAfter,
		Reason: "one server at a time is let start as the master, and one sentinel is asked, once"}
}

// kill ends the process and starts its unit again after this time, in one command of
// the machine's own, so that the moment is kept.
func kill(ctx context.Context, n *machine.Node, again time.Duration) error {
	line := "systemctl kill --kill-who=main --signal=KILL " + machinetest.RedisUnit()
	if again >= 0 {
		line += fmt.Sprintf("; sleep %.3f; systemctl start --no-block %s", again.Seconds(), machinetest.RedisUnit())
	}
	return do(ctx, n, "/bin/sh", "-c", line)
}

// judge holds what the clients saw against the claims, and prints it.
func (s *scene) judge(t *testing.T) {
	h := history.History{Title: "kill -9 of the master", Groups: []history.Group{s.recorder.Stop()}, Faults: s.faults, Length: s.recorder.Now()}
	result := history.Check(h)
	for _, v := range result.Violations {
		t.Error(v)
	}
	for _, row := range result.Rows[1:] {
		found := row.Groups[machinetest.GroupName]
		t.Logf("%-55s requests=%d gap_ms=%d acknowledged=%d waited=%d lost=%d lost_waited=%d dual_ms=%d", row.Fault.Target, s.requests[row.Fault.Number-1],
			found.Gap.Milliseconds(), found.Acknowledged, found.Waited, found.Lost, found.LostWaited, found.Dual.Milliseconds())
		if found.Waited == 0 {
			t.Errorf("%s: no write was confirmed by every replica, so that none was lost shows nothing", row.Fault.Target)
		}
	}
	all := result.Total
	fmt.Printf("e2e evidence crashes=%d acknowledged=%d waited=%d lost=%d lost_waited=%d dual_ms=%d worst_gap_ms=%d\n", len(s.faults),
		all.Acknowledged, all.Waited, all.Lost, all.LostWaited, all.Dual.Milliseconds(), all.Gap.Milliseconds())
}
