package request_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestReplaceADeadNode: a dead node is replaced, each sentinel that knew it forgets
// once, at least the gap apart, and in the end nobody knows it any more.
func TestReplaceADeadNode(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	to.dead["n3"] = true
	to.pass()
	to.join("n4")
	p := to.ask("n3", "n4")
	if d := cmp.Diff([]string{"n1", "n2", "n4"}, p.Groups[0].After.Nodes); d != "" || p.Groups[0].After.Sentinel.Quorum != 2 {
		t.Fatalf("the plan is %+v", p)
	}
	to.until("replaced", 200, to.done)
	if len(to.resets) != 2 || to.resets[0].node == to.resets[1].node {
		t.Fatalf("the sentinels that forgot are %v", to.resets)
	}
	if gap := to.resets[1].at.Sub(to.resets[0].at); gap < request.ForgetGap {
		t.Errorf("two sentinels forgot within %s", gap)
	}
	for node, names := range to.known {
		if node != "n3" && slices.Contains(names, "n3") {
			t.Errorf("%s still knows n3", node)
		}
	}
	a := assess.Group(to.w, assesstest.Group)
	if a.State != fleet.GroupServing || !assess.Verified(a) {
		t.Errorf("%s: %s", a.State, a.Reason)
	}
	// The machine comes back: its goal says that it is to stay down.
	for _, inst := range to.w.Goals["n3"].Instances {
		if inst.Assigned != fleet.Held {
			t.Errorf("%s is assigned %s on the node that left", inst.ID, inst.Assigned)
		}
	}
	for _, node := range []string{"n1", "n2", "n4"} {
		for _, inst := range to.w.Goals[node].Instances {
			if inst.Forget != "" || inst.Seed != nil || len(inst.Servers) != 3 || inst.Assigned != fleet.Running {
				t.Errorf("%s on %s: %+v", inst.ID, node, inst)
			}
		}
	}
}

// TestAReturningNodeHoldsTheOthersBack: what is to be forgotten is up again, so no
// sentinel forgets, since it would learn it again.
func TestAReturningNodeHoldsTheOthersBack(t *testing.T) {
	to := forgetting(t)
	r := assesstest.SentinelOn(to.w, "n2").Sentinel
	assesstest.Seen(r.Peers, assesstest.SentinelAddr("n3")).Flags = "sentinel"
	s, _ := request.Next(to.w, request.Options{Known: func(string) time.Duration { return time.Hour }})
	if len(s.Groups) != 0 || len(s.Requests) != 1 || !strings.Contains(s.Requests[0].Waits, "which is no member any more") {
		t.Errorf("the step is %+v", s)
	}
}

// TestWhatHoldsForgettingBack: each condition alone keeps the next sentinel from
// forgetting (hazard S5).
func TestWhatHoldsForgettingBack(t *testing.T) {
	sentinel := func(to *town, node string) *fleet.SentinelReport { return assesstest.SentinelOn(to.w, node).Sentinel }
	cases := map[string]struct {
		edit func(to *town)
		want string
	}{
		"a failover":            {func(to *town) { sentinel(to, "n2").MasterFlags = "master,failover_in_progress" }, "sees the master well"},
		"the master is down":    {func(to *town) { sentinel(to, "n1").MasterFlags = "master,s_down" }, "sees the master well"},
		"TILT":                  {func(to *town) { sentinel(to, "n2").Tilt = true }, "out of TILT"},
		"two masters are named": {func(to *town) { sentinel(to, "n2").Master = assesstest.Server("n2") }, "name one master"},
		"the master loads":      {func(to *town) { assesstest.Redis(to.w, "n1").Redis.Loading = true }, "is the master and a member"},
		"the master is none":    {func(to *town) { assesstest.Redis(to.w, "n1").Redis.Role = fleet.RoleReplica }, "is the master and a member"},
		"a sentinel is down":    {func(to *town) { assesstest.SentinelOn(to.w, "n2").State = fleet.Held }, "which does not run"},
		"an agent is gone": {func(to *town) {
			assesstest.Edit(to.w, "n2", func(r *fleet.ReportRecord) { r.Alive = false })
		}, "which does not run"},
		"a peer is not reached": {func(to *town) {
			assesstest.Seen(sentinel(to, "n1").Peers, assesstest.SentinelAddr("n2")).Reached = false
		}, "reaches the one on n2"},
		"a peer is not known": {func(to *town) {
			s := sentinel(to, "n1")
			s.Peers = slices.DeleteFunc(s.Peers, func(p fleet.SeenInstance) bool { return p.Addr == assesstest.SentinelAddr("n2") })
		}, "reaches the one on n2"},
		"a replica is not reached": {func(to *town) {
			assesstest.Seen(sentinel(to, "n1").Replicas, assesstest.Server("n2")).Flags = "slave,disconnected"
		}, "reaches the replica on n2"},
		"the others could promote nobody": {func(to *town) {
			for i := range sentinel(to, "n2").Replicas {
				sentinel(to, "n2").Replicas[i].Promotable = false
			}
		}, "on n2 could promote a replica"},
		"the master still lists it": {func(to *town) {
			m := assesstest.Redis(to.w, "n1").Redis
			m.Replicas = append(m.Replicas, assesstest.Server("n3"))
		}, "gives up its replica"},
		"nothing":                    {func(*town) {}, ""},
		"the others have no replica": {func(to *town) { assesstest.Redis(to.w, "n2").Redis.Link = "down"; noReplica(to) }, ""},
		"the newcomer's may be down": {func(to *town) { assesstest.Edit(to.w, "n4", func(r *fleet.ReportRecord) { r.Alive = false }) }, ""},
		"its priority is still zero": {func(to *town) { assesstest.Redis(to.w, "n2").Redis.ReplicaPriority = 0; noReplica(to) }, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			to := newTown(t, fleet.Sentinel, 3)
			to.dead["n3"] = true
			to.join("n4")
			to.pass()
			to.ask("n3", "n4")
			to.until("forgetting", 20, func() bool { return to.w.Requests["r0"].Phase == fleet.RequestForgetting })
			tc.edit(to)
			s, _ := request.Next(to.w, request.Options{Known: func(string) time.Duration { return time.Hour }})
			waits := s.Requests[0].Waits
			if given := len(s.Groups) == 1; given != (tc.want == "") || !strings.Contains(waits, tc.want) {
				t.Errorf("a token: %v, waits: %s", given, waits)
			}
		})
	}
}

// noReplica: no replica of the group is in step, so none can be promoted anyway.
func noReplica(to *town) {
	assesstest.Edit(to.w, "n4", func(r *fleet.ReportRecord) { r.Alive = false })
	for _, node := range []string{"n1", "n2"} {
		s := assesstest.SentinelOn(to.w, node).Sentinel
		for i := range s.Replicas {
			s.Replicas[i].Promotable = false
		}
	}
}

// TestATokenThatWasLost: the sentinel noted the token and its reset did not happen;
// it gets another token, after the gap, and never the same one again.
func TestATokenThatWasLost(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	to.dead["n3"] = true
	to.pass()
	to.ask("n3", "")
	forget := func() *fleet.Forget {
		if m := to.w.Groups[assesstest.Group].Members; m != nil {
			return m.Forget
		}
		return nil
	}
	to.until("the first token", 50, func() bool { return forget() != nil })
	first := *forget()
	to.forgot[first.Node] = first.Token // noted, and nothing more
	to.until("another token", 100, func() bool { return forget() != nil && *forget() != first })
	if next := *forget(); next.Node != first.Node || next.Token == first.Token {
		t.Errorf("after %+v comes %+v", first, next)
	}
	to.until("done", 300, to.done)
}

// TestRemoveALiveNode: it is stopped first, and nothing is forgotten before.
func TestRemoveALiveNode(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 5)
	to.ask("n4", "")
	to.until("leaving", 5, func() bool { return to.w.Requests["r0"].Phase == fleet.RequestLeaving })
	assesstest.Redis(to.w, "n4").State = fleet.Running
	to.plan()
	for _, inst := range to.w.Goals["n4"].Instances {
		rep := to.w.Reports["n4"].Report
		rep.Instance(inst.ID).Retired = false
	}
	if s, _ := request.Next(to.w, request.Options{}); len(s.Requests) != 1 || !strings.Contains(s.Requests[0].Waits, "is stopped on n4") {
		t.Errorf("while it runs the step is %+v", s)
	}
	to.until("removed", 400, to.done)
	if len(to.resets) != 4 {
		t.Errorf("the sentinels that forgot are %v", to.resets)
	}
	g := to.w.Groups[assesstest.Group].Members
	if g.Quorum != 3 || len(g.Servers) != 4 || g.Forget != nil {
		t.Errorf("the members are %+v", g)
	}
}

// TestWithoutSentinels: nobody has to forget; the master's own list tells that a
// machine without an agent is gone.
func TestWithoutSentinels(t *testing.T) {
	to := deadWithoutSentinels(t)
	to.until("done", 20, to.done)
	if len(to.w.Groups[assesstest.Group].Members.Servers) != 2 {
		t.Errorf("the members are %+v", to.w.Groups[assesstest.Group].Members)
	}
}

// TestTheNextRequestTakesOver: the newcomer dies for good before it was ever in; the
// request that replaces it again is not stuck behind the first.
func TestTheNextRequestTakesOver(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	to.dead["n3"] = true
	to.join("n4")
	to.ask("n3", "n4")
	to.until("forgetting", 20, func() bool { return to.w.Requests["r0"].Phase == fleet.RequestForgetting })
	to.dead["n4"] = true
	to.report()
	to.join("n5")
	to.ask("n4", "n5")
	to.until("both", 300, to.done)
	if out := to.w.Requests["r0"].Outcome; !strings.Contains(out, "goes on as r1") {
		t.Errorf("the first request ended as %q", out)
	}
	m := to.w.Groups[assesstest.Group].Members
	if d := cmp.Diff([]string{"n1", "n2", "n5"}, m.Servers); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"n3", "n4"}, m.Retired); d != "" {
		t.Error(d)
	}
}

// TestADeadNodeWhoseSessionLives: a machine that lost its power has a session for
// minutes. It has not heard of its new goal, and all sentinels count it as down.
func TestADeadNodeWhoseSessionLives(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	to.dead["n3"] = true
	to.pass()
	to.ask("n3", "")
	held := func() { // as Consul shows it
		assesstest.Edit(to.w, "n3", func(r *fleet.ReportRecord) { r.Alive = true })
	}
	for range 3 {
		to.pass()
		held()
	}
	if s, _ := request.Next(to.w, request.Options{}); len(s.Requests) != 1 || s.Requests[0].Phase != fleet.RequestForgetting {
		t.Fatalf("the step is %+v", s)
	}
	assesstest.Seen(assesstest.SentinelOn(to.w, "n1").Sentinel.Peers, assesstest.SentinelAddr("n3")).Flags = "sentinel"
	if s, _ := request.Next(to.w, request.Options{}); len(s.Requests) != 1 || !strings.Contains(s.Requests[0].Waits, "is stopped on n3") {
		t.Errorf("one sentinel still reaches it, and the step is %+v", s)
	}
}

// TestAGhost: a node that left came back once while Consul was out, and the sentinels
// know it again. The coordinator has them forget it.
func TestAGhost(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	to.dead["n3"] = true
	to.join("n4")
	to.pass()
	to.ask("n3", "n4")
	to.until("replaced", 200, to.done)
	if p := request.Replace(to.w, "n3", ""); len(p.Refused) != 1 {
		t.Errorf("there is nothing to do: %+v", p)
	}
	for _, node := range []string{"n1", "n4"} {
		to.known[node] = append(to.known[node], "n3")
	}
	to.report()
	before := len(to.resets)
	to.until("a request of the coordinator's own", 5, func() bool { return !to.done() })
	to.until("forgotten", 200, to.done)
	if n := len(to.resets) - before; n != 2 {
		t.Errorf("%d sentinels forgot, want 2", n)
	}
}

// TestAGhostThatNoRecordNames: the records were rebuilt without what a node keeps that
// had left. The sentinels forget it once it is down, and only in such a group.
func TestAGhostThatNoRecordNames(t *testing.T) {
	for name, tc := range map[string]struct {
		rebuilt, answers, forgotten bool
	}{
		"down, in a group that was rebuilt": {rebuilt: true, forgotten: true},
		"it answers":                        {rebuilt: true, answers: true},
		"the records are as they ever were": {},
	} {
		t.Run(name, func(t *testing.T) {
			to := newTown(t, fleet.Sentinel, 3)
			to.dead["n3"] = true
			to.join("n4")
			to.pass()
			to.ask("n3", "n4")
			to.until("replaced", 200, to.done)
			rec := to.w.Groups[assesstest.Group]
			m := *rec.Members
			m.Retired, m.Rebuilt, m.Request = nil, tc.rebuilt, "recovered"
			rec.Members = &m
			to.w.Groups[assesstest.Group] = rec
			delete(to.w.Goals, "n3")
			delete(to.w.Reports, "n3")
			for _, node := range []string{"n1", "n4"} {
				to.known[node] = append(to.known[node], "n3")
			}
			to.report()
			if tc.answers {
				assesstest.Seen(assesstest.SentinelOn(to.w, "n1").Sentinel.Peers, assesstest.SentinelAddr("n3")).Flags = "sentinel"
			}
			before := len(to.resets)
			if s, due := request.Next(to.w, request.Options{}); due != tc.forgotten {
				t.Fatalf("the next step is %+v", s)
			}
			if !tc.forgotten {
				return
			}
			to.until("a request of the coordinator's own", 5, func() bool { return !to.done() })
			to.until("forgotten", 200, to.done)
			if n := len(to.resets) - before; n != 2 {
				t.Errorf("%d sentinels forgot, want 2", n)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	cases := map[string]struct {
		edit       func(to *town)
		node, with string
		want       string
	}{
		"the master":       {nil, "n1", "", "n1 is its master; let another server take over first (redfleet failover "},
		"nobody":           {nil, "n9", "", "is in no group"},
		"a silent machine": {nil, "n3", "n4", "no agent reports from n4"},
		"a member":         {nil, "n3", "n2", "is in it already"},
		"no master":        {func(to *town) { to.dead["n1"] = true; to.report(); assesstest.Kill(to.w, "n1") }, "n3", "", "no server is its master"},
		"no majority":      {func(to *town) { to.dead["n3"] = true; to.report(); assesstest.Kill(to.w, "n3") }, "n2", "", "must agree on a failover"},
		"it forms": {func(to *town) {
			assesstest.EditGroup(to.w, func(g *fleet.Group) { g.Phase = fleet.PhaseVerifying })
		}, "n3", "", "still forming"},
		"another engine": {func(to *town) {
			to.join("n4")
			assesstest.Edit(to.w, "n4", func(r *fleet.ReportRecord) { r.Report.Engines = nil })
		}, "n3", "n4", "no usable redis"},
		"another group's folder": {func(to *town) {
			to.join("n4")
			assesstest.Edit(to.w, "n4", func(r *fleet.ReportRecord) {
				r.Report.Instances = []fleet.InstanceReport{{ID: assesstest.ServerID(), Group: assesstest.Group, GroupID: "other"}}
			})
		}, "n3", "n4", "a folder of another group"},
		"the only replica in step": {func(to *town) { assesstest.Redis(to.w, "n2").Redis.Link = "down" }, "n3", "", "only replica in step"},
		"no write would be taken": {func(to *town) {
			to.w.Spec.Spec.Groups[0].Config = fleet.Directives{"min-replicas-to-write": {"2"}}
			for node := range to.w.Goals {
				for i := range to.w.Goals[node].Instances {
					to.w.Goals[node].Instances[i].Config = to.w.Spec.Spec.Groups[0].Config
				}
			}
		}, "n3", "", "would take no write"},
		"the same name and nothing to forget": {nil, "n3", "n3", "there is nothing to do"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			to := newTown(t, fleet.Sentinel, 3)
			if tc.edit != nil {
				tc.edit(to)
			}
			p := request.Replace(to.w, tc.node, tc.with)
			if !strings.Contains(strings.Join(p.Objections(), "\n"), tc.want) {
				t.Errorf("refused: %q, want %q in it", p.Objections(), tc.want)
			}
		})
	}
}

// TestMoves: where nothing but that it is the master speaks against a node's removal, a
// planned failover is enough; where something else does, that is told too. Nobody takes
// over where there are no sentinels.
func TestMoves(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	if p := request.Replace(to.w, "n1", ""); len(p.Refused) > 0 || !slices.Equal(p.Moves, []string{assesstest.Group}) || len(p.Objections()) != 1 {
		t.Errorf("%+v", p)
	}
	if p := request.Replace(to.w, "n1", "n9"); len(p.Refused) != 1 || len(p.Moves) != 1 || len(p.Objections()) != 2 {
		t.Errorf("%+v", p)
	}
	if p := request.Replace(to.w, "n2", ""); len(p.Objections()) > 0 {
		t.Errorf("%+v", p)
	}
	to = newTown(t, fleet.Replication, 3)
	if p := request.Replace(to.w, "n1", ""); len(p.Refused) != 1 || len(p.Moves) > 0 || !strings.Contains(p.Refused[0], "nobody takes over") {
		t.Errorf("%+v", p)
	}
}

// TestWarnings: what a plan says beside its refusals (hazard S17).
func TestWarnings(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	if p := request.Replace(to.w, "n3", ""); !strings.Contains(strings.Join(p.Warnings, "\n"), "2 sentinels cannot outvote") || len(p.Refused) > 0 {
		t.Errorf("%+v", p)
	}
	to = newTown(t, fleet.Sentinel, 5)
	if p := request.Replace(to.w, "n4", ""); !strings.Contains(strings.Join(p.Warnings, "\n"), "4 sentinels survive no more") || len(p.Refused) > 0 {
		t.Errorf("%+v", p)
	}
	to = newTown(t, fleet.Replication, 2)
	if p := request.Replace(to.w, "n2", ""); !strings.Contains(strings.Join(p.Warnings, "\n"), "n1 is left alone") || len(p.Refused) > 0 {
		t.Errorf("%+v", p)
	}
}

// TestTheSpecSaysOtherwise: a request whose spec was changed back does nothing, and
// says so.
func TestTheSpecSaysOtherwise(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	before := *to.w.Spec
	to.ask("n3", "")
	to.w.Spec = &before
	to.until("ended", 5, to.done)
	if r := to.w.Requests["r0"]; !r.Refused || !strings.Contains(r.Outcome, "says otherwise") {
		t.Errorf("%+v", r)
	}
	if to.w.Groups[assesstest.Group].Members != nil {
		t.Error("the members were changed")
	}
}

// TestUnknownRequests end, and say why: a newer program's request must not stay for
// ever.
func TestUnknownRequests(t *testing.T) {
	to := newTown(t, fleet.Sentinel, 3)
	to.w.Requests["a"] = fleet.Request{Format: 1, ID: "a", Kind: "rotate", Phase: fleet.RequestMade}
	to.w.Requests["b"] = fleet.Request{Format: 1, ID: "b", Kind: fleet.RequestReplace, Node: "n9", Phase: fleet.RequestMade}
	to.until("ended", 5, to.done)
	for _, r := range to.w.Requests {
		if !r.Refused || r.Outcome == "" {
			t.Errorf("%+v", r)
		}
	}
}

// TestARequestThatWaits: until a request may begin, and when it was refused in the end,
// the group is judged as it is and not as the spec says that it will be.
func TestARequestThatWaits(t *testing.T) {
	for name, changedBefore := range map[string]bool{"as it was made": false, "changed before": true} {
		t.Run(name, func(t *testing.T) {
			to := newTown(t, fleet.Sentinel, 4)
			if changedBefore {
				to.ask("n4", "")
				for range 200 {
					to.pass()
				}
			}
			to.join("n5")
			to.ask("n3", "n5")
			to.master = "n3" // so that the request has to wait
			to.report()
			a := assess.Group(to.w, assesstest.Group)
			if a.State != fleet.GroupServing || a.Master == nil || a.Master.Node != "n3" {
				t.Errorf("while the request waits: %s, %s", a.State, a.Reason)
			}
			for id, r := range to.w.Requests {
				r.Phase, r.Refused = fleet.RequestDone, true
				to.w.Requests[id] = r
			}
			if a := assess.Group(to.w, assesstest.Group); a.State != fleet.GroupServing {
				t.Errorf("after it was refused: %s, %s", a.State, a.Reason)
			}
		})
	}
}

// TestTheLastInStep: a replica is kept back only where it is in step itself, nobody
// else who stays is, and somebody could come to be.
func TestTheLastInStep(t *testing.T) {
	for name, tc := range map[string]struct {
		topology fleet.Topology
		nodes    int
		behind   []string
		refused  bool
	}{
		"another one is too":                {fleet.Sentinel, 3, nil, false},
		"it alone is":                       {fleet.Sentinel, 3, []string{"n2"}, true},
		"one of the others is":              {fleet.Sentinel, 4, []string{"n2"}, false},
		"none of the others is":             {fleet.Sentinel, 4, []string{"n2", "n4"}, true},
		"nobody is":                         {fleet.Sentinel, 3, []string{"n2", "n3"}, false},
		"there is no other replica to wait": {fleet.Replication, 2, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			to := newTown(t, tc.topology, tc.nodes)
			for _, node := range tc.behind {
				assesstest.Redis(to.w, node).Redis.Link = "down"
			}
			node := "n3"
			if tc.nodes == 2 {
				node = "n2"
			}
			got := strings.Join(request.Replace(to.w, node, "").Refused, "\n")
			if strings.Contains(got, "only replica in step") != tc.refused {
				t.Errorf("refused for %q", got)
			}
		})
	}
}

// TestANewcomerCounts: a sentinel that came in with the last change, and that the others
// are about to hear of, is one more of those who must agree, while they count the one
// that left: it is not taken out before that one is forgotten (simulation, seed 7883).
// One that they have counted out, or that reaches nobody, takes no vote with it.
func TestANewcomerCounts(t *testing.T) {
	n4 := assesstest.SentinelAddr("n4")
	peers := func(to *town, node string) []fleet.SeenInstance {
		return assesstest.SentinelOn(to.w, node).Sentinel.Peers
	}
	unheard := func(to *town, by ...string) {
		for _, node := range by {
			s := assesstest.SentinelOn(to.w, node).Sentinel
			s.Peers = slices.DeleteFunc(s.Peers, func(p fleet.SeenInstance) bool { return p.Addr == n4 })
		}
	}
	flagged := func(to *town, flags string) {
		for _, node := range []string{"n1", "n2"} {
			p := assesstest.Seen(peers(to, node), n4)
			p.Reached, p.Flags = false, flags
		}
	}
	cut := func(to *town) {
		for i := range peers(to, "n4") {
			p := &peers(to, "n4")[i]
			p.Reached, p.Flags = false, "s_down,sentinel,disconnected"
		}
	}
	for name, tc := range map[string]struct {
		edit    func(to *town)
		refused bool
	}{
		"all have heard of it":    {func(*town) {}, true},
		"nobody has":              {func(to *town) { unheard(to, "n1", "n2") }, true},
		"one has not":             {func(to *town) { unheard(to, "n2") }, true},
		"it has not answered yet": {func(to *town) { flagged(to, "sentinel,disconnected") }, true},
		"it is counted as down":   {func(to *town) { flagged(to, "s_down,sentinel") }, false},
		"one more waits for that": {func(to *town) {
			flagged(to, "s_down,sentinel")
			assesstest.Seen(peers(to, "n2"), n4).Flags = "sentinel"
		}, true},
		"unheard, reaches nobody":  {func(to *town) { unheard(to, "n1", "n2"); cut(to) }, false},
		"unheard, and not running": {func(to *town) { unheard(to, "n1", "n2"); assesstest.SentinelOn(to.w, "n4").State = fleet.Held }, false},
	} {
		t.Run(name, func(t *testing.T) {
			to := forgetting(t) // n1, n2 and the newcomer n4; n3 is dead and known
			tc.edit(to)
			got := strings.Join(request.Replace(to.w, "n4", "").Refused, "\n")
			if strings.Contains(got, "2 of its other sentinels can be reached and 3 must agree") != tc.refused || !tc.refused && got != "" {
				t.Errorf("refused with %q", got)
			}
		})
	}
	t.Run("it is the first of all", func(t *testing.T) {
		to := newTown(t, fleet.Sentinel, 3)
		to.master, to.dead["n1"] = "n2", true
		to.join("n4")
		to.pass()
		to.ask("n1", "n4")
		to.until("forgetting", 20, func() bool { return to.w.Requests["r0"].Phase == fleet.RequestForgetting })
		unheard(to, "n2", "n3")
		if got := strings.Join(request.Replace(to.w, "n4", "").Refused, "\n"); !strings.Contains(got, "until they are forgotten") {
			t.Errorf("refused with %q", got)
		}
	})
	t.Run("one that is dead and that nobody heard of", func(t *testing.T) {
		to := newTown(t, fleet.Sentinel, 5)
		to.dead["n5"], to.dead["n6"] = true, true
		to.join("n6")
		to.pass()
		to.ask("n5", "n6")
		to.until("forgetting", 20, func() bool { return to.w.Requests["r0"].Phase == fleet.RequestForgetting })
		if got := request.Replace(to.w, "n4", "").Refused; len(got) > 0 {
			t.Errorf("taking out n4 with three left of five is refused: %q", got)
		}
	})
	t.Run("a member known by an id that it had", func(t *testing.T) {
		to := newTown(t, fleet.Sentinel, 3)
		if got := request.Replace(to.w, "n2", "").Refused; len(got) > 0 {
			t.Errorf("with nobody to forget taking out n2 is refused: %q", got)
		}
		assesstest.Seen(peers(to, "n1"), assesstest.SentinelAddr("n3")).ID = "another"
		if got := strings.Join(request.Replace(to.w, "n2", "").Refused, "\n"); !strings.Contains(got, "until they are forgotten") {
			t.Errorf("beside one that counts twice taking out n2 is refused with %q", got)
		}
	})
}
