package request_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/fleet"
)

// knownFor has a coordinator know every token for this long.
func knownFor(d time.Duration) request.Options {
	return request.Options{Known: func(string) time.Duration { return d }}
}

// forgetting is a group of three whose dead n3 is being replaced, up to where the
// sentinels begin to forget.
func forgetting(t *testing.T) *town {
	t.Helper()
	to := newTown(t, fleet.Sentinel, 3)
	to.dead["n3"] = true
	to.join("n4")
	to.pass()
	to.ask("n3", "n4")
	to.until("forgetting", 20, func() bool { return to.w.Requests["r0"].Phase == fleet.RequestForgetting })
	return to
}

// take writes what a step has.
func (to *town) take(s request.Step) {
	for _, r := range s.Requests {
		to.w.Requests[r.ID] = r
	}
	for _, g := range s.Groups {
		to.w.Groups[g.Name] = g
	}
}

// TestATokenIsCarriedOutBeforeTheNext: a token that its sentinel has not carried out
// yet holds the next one back for as long as that takes, and a wait is noted once.
func TestATokenIsCarriedOutBeforeTheNext(t *testing.T) {
	to := forgetting(t)
	n2 := assesstest.SentinelOn(to.w, "n2").Sentinel
	n2.Tilt = true
	s, ok := request.Next(to.w, knownFor(time.Hour))
	if !ok || len(s.Groups) > 0 || len(s.Requests) != 1 {
		t.Errorf("a new wait is not noted: %v %+v", ok, s)
	}
	n2.Tilt = false
	if s, ok = request.Next(to.w, knownFor(time.Hour)); !ok || len(s.Groups) != 1 {
		t.Fatalf("the first step is %+v", s)
	}
	to.take(s)
	if s, ok = request.Next(to.w, knownFor(time.Hour)); ok || len(s.Groups) > 0 {
		t.Errorf("before it was carried out comes %+v", s)
	}
}

// TestTheGapBetweenTokens is over when it is as long as the gap (hazard S5).
func TestTheGapBetweenTokens(t *testing.T) {
	to := forgetting(t)
	to.until("the first sentinel has forgotten", 20, func() bool { return len(to.resets) == 1 })
	to.pass()
	if s, _ := request.Next(to.w, knownFor(request.ForgetGap-time.Millisecond)); len(s.Groups) > 0 {
		t.Errorf("before the gap is over comes %+v", s)
	}
	if s, _ := request.Next(to.w, knownFor(request.ForgetGap)); len(s.Groups) != 1 {
		t.Errorf("when the gap is over comes %+v", s)
	}
}

// TestWhichWaitIsTold: of two reasons the one that an operator can do most about.
func TestWhichWaitIsTold(t *testing.T) {
	cases := map[string]struct {
		edit func(n1, n2 *fleet.SentinelReport)
		want string
	}{
		"TILT before the flags, which it makes stale": {func(_, n2 *fleet.SentinelReport) {
			n2.Tilt, n2.MasterFlags = true, "master,s_down"
		}, "out of TILT"},
		"a failover before two names, which it explains": {func(_, n2 *fleet.SentinelReport) {
			n2.MasterFlags, n2.Master = "master,failover_in_progress", assesstest.Server("n2")
		}, "sees the master well"},
		"a link that is gone": {func(n1, _ *fleet.SentinelReport) { n1.MasterFlags = "master,disconnected" }, "sees the master well"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			to := forgetting(t)
			tc.edit(assesstest.SentinelOn(to.w, "n1").Sentinel, assesstest.SentinelOn(to.w, "n2").Sentinel)
			s, _ := request.Next(to.w, knownFor(time.Hour))
			if len(s.Groups) > 0 || !strings.Contains(s.Requests[0].Waits, tc.want) {
				t.Errorf("the step is %+v", s)
			}
		})
	}
}

// TestTheOneThatForgetsNeedsNobody: that a sentinel can promote nobody itself does
// not keep it from forgetting.
func TestTheOneThatForgetsNeedsNobody(t *testing.T) {
	to := forgetting(t)
	r := assesstest.SentinelOn(to.w, "n1").Sentinel
	for i := range r.Replicas {
		r.Replicas[i].Promotable = false
	}
	s, _ := request.Next(to.w, knownFor(time.Hour))
	if len(s.Groups) != 1 || s.Groups[0].Members.Forget.Node != "n1" {
		t.Errorf("the step is %+v", s)
	}
}

// TestOpen: oldest first, and none that is done.
func TestOpen(t *testing.T) {
	w := fleet.World{Requests: map[string]fleet.Request{}}
	for _, id := range []string{"c", "a", "d", "b", "e"} {
		w.Requests[id] = fleet.Request{ID: id, Phase: fleet.RequestLeaving}
	}
	w.Requests["b"] = fleet.Request{ID: "b", Phase: fleet.RequestDone}
	var got []string
	for _, r := range request.Open(w) {
		got = append(got, r.ID)
	}
	if d := cmp.Diff([]string{"a", "c", "d", "e"}, got); d != "" {
		t.Error(d)
	}
}

// TestOneNameTwoMachines: a machine that came back under its name changes no members;
// the sentinels forget the old one's address. Who never was in the group has nothing
// to do with that.
func TestOneNameTwoMachines(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	to.known["n1"] = append(to.known["n1"], "old") // an address that is no member's
	to.report()
	if p := request.Replace(to.w, "n9", ""); len(p.Groups) > 0 || !strings.Contains(strings.Join(p.Refused, ";"), "is in no group") {
		t.Errorf("a stranger's plan is %+v", p)
	}
	p := to.ask("n3", "n3")
	if len(p.Groups) != 1 || len(p.Groups[0].Ghosts) == 0 || len(p.Warnings) > 0 {
		t.Fatalf("the plan is %+v", p)
	}
	s, ok := request.Next(to.w, knownFor(time.Hour))
	if !ok || len(s.Groups) > 0 || len(s.Requests) != 1 || s.Requests[0].Phase != fleet.RequestLeaving {
		t.Errorf("the step is %+v", s)
	}
}

// TestAGhostIsTheOperatorsToRemoveToo: one that left and is known again.
func TestAGhostIsTheOperatorsToRemoveToo(t *testing.T) {
	to := forgetting(t)
	to.until("replaced", 200, to.done)
	to.known["n1"] = append(to.known["n1"], "n3")
	to.report()
	if p := request.Replace(to.w, "n3", ""); len(p.Groups) != 1 || len(p.Refused) > 0 {
		t.Errorf("the plan is %+v", p)
	}
}

// TestLeavingWaitsForTheGoals: before they are written nobody can have stopped.
func TestLeavingWaitsForTheGoals(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	to.ask("n3", "")
	s, _ := request.Next(to.w, knownFor(time.Hour))
	to.take(s)
	s, _ = request.Next(to.w, knownFor(time.Hour))
	if len(s.Requests) != 1 || !strings.Contains(s.Requests[0].Waits, "until the goals of group "+assesstest.Group+" are written") {
		t.Errorf("the step is %+v", s)
	}
}

// TestALivingNodeIsWaitedFor: one that has heard of its goal and says that it still
// runs is believed before the sentinels, which may have lost their sight of it.
func TestALivingNodeIsWaitedFor(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	to.ask("n3", "")
	to.until("leaving", 5, func() bool { return to.w.Requests["r0"].Phase == fleet.RequestLeaving })
	to.plan()
	to.report()
	assesstest.Edit(to.w, "n3", func(r *fleet.ReportRecord) {
		for i := range r.Report.Instances {
			r.Report.Instances[i].Retired, r.Report.Instances[i].State = false, fleet.Running
		}
	})
	s, _ := request.Next(to.w, knownFor(time.Hour))
	if len(s.Requests) != 1 || !strings.Contains(s.Requests[0].Waits, "is stopped on n3") {
		t.Errorf("the step is %+v", s)
	}
}

// TestTheMastersListTells: without sentinels a machine that does not report is gone
// when its master has given it up.
func TestTheMastersListTells(t *testing.T) {
	to := deadWithoutSentinels(t)
	to.until("leaving", 5, func() bool { return to.w.Requests["r0"].Phase == fleet.RequestLeaving })
	to.plan()
	to.report()
	m := assesstest.Redis(to.w, "n1").Redis
	m.Replicas = append(m.Replicas, assesstest.Server("n3"))
	s, _ := request.Next(to.w, knownFor(time.Hour))
	if len(s.Requests) != 1 || !strings.Contains(s.Requests[0].Waits, "it still follows n1") {
		t.Errorf("the step is %+v", s)
	}
}

// TestSettling: a ghost that is back has to be forgotten again, and a group that is
// not as it should be is waited for, unless the spec does not name it any more.
func TestSettling(t *testing.T) {
	settling := func(t *testing.T) *town {
		to := forgetting(t)
		to.until("settling", 200, func() bool { return to.w.Requests["r0"].Phase == fleet.RequestSettling })
		return to
	}
	t.Run("a ghost", func(t *testing.T) {
		to := settling(t)
		to.known["n2"] = append(to.known["n2"], "n3")
		to.report()
		s, _ := request.Next(to.w, knownFor(time.Hour))
		if len(s.Requests) != 1 || s.Requests[0].Phase != fleet.RequestForgetting {
			t.Errorf("the step is %+v", s)
		}
	})
	t.Run("not serving", func(t *testing.T) {
		to := settling(t)
		assesstest.Redis(to.w, "n2").Redis.Link = "down"
		s, _ := request.Next(to.w, knownFor(time.Hour))
		if len(s.Requests) != 1 || !strings.Contains(s.Requests[0].Waits, "is as it should be") {
			t.Errorf("the step is %+v", s)
		}
		to.w.Spec.Spec.Groups = nil
		if s, _ = request.Next(to.w, knownFor(time.Hour)); len(s.Requests) != 1 || s.Requests[0].Phase != fleet.RequestDone {
			t.Errorf("without the group in the spec the step is %+v", s)
		}
	})
}

// TestInWords: an end is told with its outcome, a wait with what it waits for.
func TestInWords(t *testing.T) {
	r := fleet.Request{Node: "n3", With: "n4", Phase: fleet.RequestLeaving}
	for want, edit := range map[string]func(){
		"n4 takes the place of n3: leaving":           func() {},
		"n4 takes the place of n3: leaving; for rain": func() { r.Waits = "for rain" },
	} {
		r.Waits = ""
		if edit(); request.InWords(r) != want {
			t.Errorf("%q, want %q", request.InWords(r), want)
		}
	}
	r.Phase, r.Outcome, r.Waits = fleet.RequestDone, "it rained", ""
	if got := request.InWords(r); got != "n4 takes the place of n3: done; it rained" {
		t.Error(got)
	}
}

// TestQuorumAndPreference follow the members: a majority stays one, another number is
// kept as far as there are sentinels, and who is preferred hands that on.
func TestQuorumAndPreference(t *testing.T) {
	for _, tc := range []struct{ nodes, quorum, want int }{{5, 2, 2}, {4, 3, 2}, {5, 3, 3}, {3, 3, 2}} {
		to := newTown(t, fleet.Sentinel, tc.nodes)
		to.w.Spec.Spec.Groups[0].Sentinel.Quorum = tc.quorum
		for node := range to.w.Goals {
			for i := range to.w.Goals[node].Instances {
				if m := to.w.Goals[node].Instances[i].Monitor; m != nil {
					m.Quorum = tc.quorum
				}
			}
		}
		if got := request.Replace(to.w, "n3", "").Groups[0].After.Sentinel.Quorum; got != tc.want {
			t.Errorf("quorum %d of %d sentinels became %d, want %d", tc.quorum, tc.nodes, got, tc.want)
		}
	}
	to := newTown(t, fleet.Sentinel, 3)
	to.join("n4")
	for prefer, want := range map[string]string{"n3": "n4", "n2": "n2"} {
		to.w.Spec.Spec.Groups[0].Prefer = prefer
		if got := request.Replace(to.w, "n3", "n4").Groups[0].After.Prefer; got != want {
			t.Errorf("instead of %s %s is preferred, want %s", prefer, got, want)
		}
	}
}

// TestWhatIsSaidOfNodes: which of two words comes first, and what of a node that is
// alive, gone, or comes back under its name.
func TestWhatIsSaidOfNodes(t *testing.T) {
	said := func(p request.Plan) string { return strings.Join(slices.Concat(p.Refused, p.Warnings), "\n") }
	to := newTown(t, fleet.Replication, 1)
	assesstest.Redis(to.w, "n1").State = fleet.Held
	if got := said(request.Replace(to.w, "n1", "")); !strings.Contains(got, "no server would be left") {
		t.Errorf("of the last server: %s", got)
	}
	to = newTown(t, fleet.Sentinel, 4)
	if got := said(request.Replace(to.w, "n4", "")); strings.Contains(got, "outvote") || !strings.Contains(got, "n4 is alive") {
		t.Errorf("of three that are left, and one that is alive: %s", got)
	}
	if got := said(request.Replace(to.w, "n9", "n8")); !strings.Contains(got, "no agent reports from n8") || strings.Contains(got, "is in no group") {
		t.Errorf("of two strangers: %s", got)
	}
	if got := said(request.Replace(to.w, "n9", "n9")); !strings.Contains(got, "no agent reports from n9") {
		t.Errorf("of a stranger and its own name: %s", got)
	}
	to.dead["n4"] = true
	to.pass()
	if got := said(request.Replace(to.w, "n4", "")); !strings.Contains(got, "n4 does not report") || strings.Contains(got, "is alive") {
		t.Errorf("of one that is gone: %s", got)
	}
}

// TestOneThatIsBehindMayGo: where no replica is in step, taking out one that is behind
// too takes no copy of what the master wrote last.
func TestOneThatIsBehindMayGo(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	for _, node := range []string{"n2", "n3"} {
		assesstest.Redis(to.w, node).Redis.Link = "down"
	}
	if got := strings.Join(request.Replace(to.w, "n3", "").Refused, "\n"); strings.Contains(got, "only replica in step") {
		t.Errorf("refused: %s", got)
	}
	assesstest.Redis(to.w, "n3").Redis.Link = "up"
	if got := strings.Join(request.Replace(to.w, "n3", "").Refused, "\n"); !strings.Contains(got, "only replica in step") {
		t.Errorf("refused: %s", got)
	}
}

// TestARequestThatWaitsHoldsUpNothing: a node that has become the master since its
// removal was asked for waits before it begins, which is noted once; the sentinels go
// on to forget who left before.
func TestARequestThatWaitsHoldsUpNothing(t *testing.T) {
	to := forgetting(t)
	p := request.Plan{Node: "n1", Groups: []request.Change{{Before: fleet.GroupSpec{Name: assesstest.Group}}}}
	to.w.Requests["r1"] = request.Made("r1", "test", to.now, p)
	spec := request.NewSpec(*to.w.Spec, request.Replace(to.w, "n1", ""))
	to.w.Spec = &spec
	s, ok := request.Next(to.w, knownFor(time.Hour))
	if !ok || len(s.Groups) > 0 || len(s.Requests) != 1 || s.Requests[0].Node != "n1" || !strings.Contains(s.Requests[0].Waits, "is its master") {
		t.Fatalf("the wait is not noted: %v %+v", ok, s)
	}
	to.take(s)
	if s, ok = request.Next(to.w, knownFor(time.Hour)); !ok || len(s.Groups) != 1 || s.Groups[0].Members.Forget == nil {
		t.Errorf("what had begun does not go on: %v %+v", ok, s)
	}
}

// TestThoseWhoLeftStillCount: until the sentinels have forgotten a node that left, they
// count it. A node that works is not taken out meanwhile where those that are left
// could agree on nothing; one that does not work takes no vote with it.
func TestThoseWhoLeftStillCount(t *testing.T) {
	to := forgetting(t) // n1, n2 and the newcomer n4; n3 is dead and known
	for _, node := range []string{"n2", "n4"} {
		if p := request.Replace(to.w, node, ""); len(p.Refused) != 1 || !strings.Contains(p.Refused[0], "2 of its other sentinels can be reached and 3 must agree") ||
			!strings.Contains(p.Refused[0], "until they are forgotten") {
			t.Errorf("taking out %s is refused with %q", node, p.Refused)
		}
	}
	to.dead["n4"] = true
	to.report()
	assesstest.Kill(to.w, "n4")
	if p := request.Replace(to.w, "n4", ""); len(p.Refused) > 0 {
		t.Errorf("taking out the dead n4 is refused: %q", p.Refused)
	}
	if p := request.Replace(to.w, "n2", ""); !strings.Contains(strings.Join(p.Refused, "\n"), "bring their nodes back") {
		t.Errorf("taking out n2 beside a dead n4 is refused with %q", p.Refused)
	}
	to.dead["n4"] = false
	to.until("done", 300, to.done)
	if p := request.Replace(to.w, "n2", ""); len(p.Refused) > 0 {
		t.Errorf("once n3 is forgotten taking out n2 is refused: %q", p.Refused)
	}
}
