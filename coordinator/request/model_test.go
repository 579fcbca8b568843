package request_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/fleet"
)

// town is a group of which the test says who lives, and whose agents do what their
// goals ask. Redis and Sentinel are what their reports say.
type town struct {
	t      *testing.T
	w      fleet.World
	dead   map[string]bool
	known  map[string][]string // what each node's sentinel knows
	forgot map[string]string
	master string
	now    time.Time
	// resets are when, and by which sentinel, it was forgotten.
	resets []reset
	seen   map[string]time.Time
}

type reset struct {
	node string
	at   time.Time
}

func newTown(t *testing.T, topology fleet.Topology, nodes int) *town {
	t.Helper()
	to := &town{t: t, w: assesstest.Healthy(topology, nodes), dead: map[string]bool{}, known: map[string][]string{},
		forgot: map[string]string{}, master: "n1", now: assesstest.Now(), seen: map[string]time.Time{}}
	to.w.Requests, to.w.Services = map[string]fleet.Request{}, nil
	for i := range nodes {
		node := fmt.Sprintf("n%d", i+1)
		for j := range nodes {
			if j != i {
				to.known[node] = append(to.known[node], fmt.Sprintf("n%d", j+1))
			}
		}
	}
	to.plan()
	to.report()
	return to
}

// deadWithoutSentinels is a town of three without sentinels, in which n3 is dead and
// has been asked for.
func deadWithoutSentinels(t *testing.T) *town {
	t.Helper()
	to := newTown(t, fleet.Replication, 3)
	to.dead["n3"] = true
	to.report()
	to.ask("n3", "")
	return to
}

// join has a new machine report.
func (to *town) join(node string) {
	r := to.w.Reports["n1"].Report
	r.Node, r.Address, r.MachineID, r.Instances, r.FleetID, r.Epoch = node, assesstest.Address(node), "machine-"+node, nil, "", 0
	to.w.Reports[node] = fleet.ReportRecord{Report: r, Alive: true}
}

// ask is what `redfleet node remove` writes.
func (to *town) ask(node, with string) request.Plan {
	to.t.Helper()
	p := request.Replace(to.w, node, with)
	if len(p.Refused) > 0 {
		to.t.Fatalf("refused: %v", p.Refused)
	}
	r := request.Made(fmt.Sprintf("r%d", len(to.w.Requests)), "test", to.now, p)
	to.w.Requests[r.ID] = r
	rec := request.NewSpec(*to.w.Spec, p)
	to.w.Spec = &rec
	return p
}

// pass is what a coordinator does in one pass, and then what the agents do.
func (to *town) pass() {
	to.now = to.now.Add(time.Second)
	to.w.Now = to.now
	if !to.plan() {
		for _, g := range to.w.Groups {
			if g.Members != nil && g.Members.Forget != nil && to.seen[g.Members.Forget.Token].IsZero() {
				to.seen[g.Members.Forget.Token] = to.now
			}
		}
		s, _ := request.Next(to.w, request.Options{Known: func(token string) time.Duration { return to.now.Sub(to.seen[token]) }})
		for _, r := range s.Requests {
			to.w.Requests[r.ID] = r
		}
		for _, g := range s.Groups {
			to.w.Groups[g.Name] = g
		}
	}
	to.report()
}

func (to *town) plan() bool {
	p := plan.Next(to.w, func() string { return "new" })
	for _, g := range p.Update {
		to.w.Groups[g.Name] = g
	}
	for _, g := range p.Goals {
		to.w.Goals[g.Node] = g
		to.w.Control = &fleet.Control{Format: fleet.Format, FleetID: assesstest.FleetID, Committed: p.Epoch}
	}
	return !p.Empty()
}

// runs: the node lives and runs what the group asks of it.
func (to *town) runs(node string) bool {
	return !to.dead[node] && slices.ContainsFunc(to.w.Goals[node].Instances, func(g fleet.InstanceGoal) bool { return g.Assigned == fleet.Running })
}

// report is what each node that lives sees and does.
func (to *town) report() {
	for node, goal := range to.w.Goals {
		rec := to.w.Reports[node]
		if rec.Alive = !to.dead[node]; rec.Alive {
			rec.Report.Instances, rec.Report.FleetID, rec.Report.Epoch, rec.Report.At = nil, goal.FleetID, goal.Epoch, to.now
			for i := range goal.Instances {
				rec.Report.Instances = append(rec.Report.Instances, to.instance(node, &goal.Instances[i]))
			}
		}
		to.w.Reports[node] = rec
	}
}

func (to *town) instance(node string, g *fleet.InstanceGoal) fleet.InstanceReport {
	r := fleet.InstanceReport{ID: g.ID, Group: g.Group, GroupID: g.GroupID, Kind: g.Kind, Addr: g.Addr, State: fleet.Running, SecretVersion: 1}
	switch {
	case g.Assigned == fleet.Held:
		r.State, r.Retired = fleet.Held, true
	case g.Kind == fleet.KindSentinel:
		r.Sentinel = to.sentinel(node, g)
	default:
		r.Redis = &fleet.RedisReport{Role: fleet.RoleReplica, ReplID: assesstest.ReplID, Master: assesstest.Server(to.master), Link: "up",
			ReplicaPriority: 100, ReadOnly: true, PasswordOK: true, MasterAuthOK: true}
		if node == to.master {
			r.Redis.Role, r.Redis.Master, r.Redis.Link = fleet.RoleMaster, fleet.Addr{}, ""
		}
		for _, m := range g.Servers {
			if m.Node != node {
				r.Redis.Peers = append(r.Redis.Peers, fleet.PeerProbe{Addr: m.Addr})
				if node == to.master && to.runs(m.Node) {
					r.Redis.Replicas = append(r.Redis.Replicas, m.Addr)
				}
			}
		}
	}
	return r
}

func (to *town) sentinel(node string, g *fleet.InstanceGoal) *fleet.SentinelReport {
	if g.Forget != "" && to.forgot[node] != g.Forget {
		to.forgot[node], to.known[node] = g.Forget, nil
		to.resets = append(to.resets, reset{node, to.now})
	}
	for other := range to.w.Goals {
		if other != node && to.runs(other) && !slices.Contains(to.known[node], other) {
			to.known[node] = append(to.known[node], other)
		}
	}
	s := &fleet.SentinelReport{MyID: plan.SentinelID(g.GroupID, node), Monitored: []string{assesstest.Group}, PasswordOK: true,
		Master: assesstest.Server(to.master), MasterFlags: "master", Quorum: g.Monitor.Quorum, Forgot: to.forgot[node]}
	if node != to.master && !slices.Contains(to.known[node], to.master) {
		to.t.Fatalf("the sentinel on %s does not know the master", node)
	}
	for _, other := range append([]string{node}, to.known[node]...) {
		seen := fleet.SeenInstance{Addr: assesstest.Server(other), Flags: "slave", Reached: true, Promotable: true, Priority: 100}
		peer := fleet.SeenInstance{Addr: assesstest.SentinelAddr(other), ID: plan.SentinelID(g.GroupID, other), Flags: "sentinel", Reached: true}
		if !to.runs(other) {
			seen.Flags, seen.Promotable, peer.Flags = "s_down,slave,disconnected", false, "s_down,sentinel,disconnected"
		}
		if other != to.master {
			s.Replicas = append(s.Replicas, seen)
		}
		if other != node {
			s.Peers = append(s.Peers, peer)
		}
	}
	return s
}

// until passes until ok, or fails after so many passes.
func (to *town) until(what string, passes int, ok func() bool) {
	to.t.Helper()
	for range passes {
		if ok() {
			return
		}
		to.pass()
	}
	for _, r := range to.w.Requests {
		to.t.Logf("%s: %s", r.ID, request.InWords(r))
	}
	a := assess.Group(to.w, assesstest.Group)
	to.t.Fatalf("%s: not within %d passes; the group is %s: %s", what, passes, a.State, a.Reason)
}

func (to *town) done() bool { return len(request.Open(to.w)) == 0 }
