package fleettest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// recordFaults are wrong in Consul alone.
func recordFaults() []fault {
	return []fault{
		{
			check: assess.CheckServices, what: "an entry that is no instance of the group",
			do: func(t *testing.T, g *group) {
				err := g.Client.Register(t.Context(), consul.Service{ID: "stranger", Name: "test-main",
					Tags: []string{"master"}, Addr: fleet.Addr{Host: g.Host(90), Port: redisPort}})
				if err != nil {
					t.Fatal(err)
				}
			},
			names: func(g *group) []string { return []string{"stranger", g.Host(90)} },
			heal: func(t *testing.T, g *group) {
				if err := g.Client.Deregister(t.Context(), "stranger"); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			check: assess.CheckWritePath, what: "a group that was never proved",
			do:    func(t *testing.T, g *group) { editGroup(t, g, func(r *fleet.Group) { r.WriteProved = false }) },
			names: func(*group) []string { return []string{"never proved"} },
			heal:  func(t *testing.T, g *group) { editGroup(t, g, func(r *fleet.Group) { r.WriteProved = true }) },
		},
		{
			check: assess.CheckReports, what: "an agent that is gone",
			do: func(t *testing.T, g *group) {
				stopAgent(t, g.Fleet, g.one)
				e, _, err := g.Client.Get(t.Context(), g.Keys.Report(node(g.one)))
				if err == nil { // instead of waiting for its end
					err = g.Client.DestroySession(t.Context(), e.Session)
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			names: func(g *group) []string { return []string{node(g.one) + ": its agent is gone"} },
			may:   []string{assess.CheckServices}, // its role checks are answered by nobody
			heal:  func(t *testing.T, g *group) { g.StartAgent(g.one, nil) },
		},
	}
}

// editGroup changes the group's record in Consul by hand.
func editGroup(t *testing.T, g *group, edit func(*fleet.Group)) {
	t.Helper()
	e, _, err := g.Client.Get(t.Context(), g.Keys.Group("main"))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := records.Decode[fleet.Group](e.Key, e.Value)
	if err != nil {
		t.Fatal(err)
	}
	edit(&rec)
	b, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Client.Txn(t.Context(), consul.CAS(e.Key, b, e.Index)); err != nil {
		t.Fatal(err)
	}
}

// sentinelFaults are single settings of a sentinel.
func sentinelFaults() []fault {
	return []fault{
		{
			check: assess.CheckQuorum, what: "a sentinel with another quorum",
			do:    func(t *testing.T, g *group) { cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL SET main quorum 3") },
			names: func(g *group) []string { return []string{node(g.one) + " has quorum 3"} },
			heal:  func(t *testing.T, g *group) { cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL SET main quorum 2") },
		},
		{
			check: assess.CheckSentinelMaster, what: "a sentinel that watches a second master",
			do: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL MONITOR second "+g.Host(90)+" 6379 2")
			},
			names: func(g *group) []string { return []string{node(g.one), "second"} },
			heal:  func(t *testing.T, g *group) { cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL REMOVE second") },
		},
		{
			check: assess.CheckPromotable, what: "replicas that may not be promoted",
			do:    func(t *testing.T, g *group) { priorities(t, g, 0) },
			names: func(*group) []string { return []string{"none on n1, n2 and n3"} },
			may:   []string{assess.CheckDrift},
			heal:  func(t *testing.T, g *group) { priorities(t, g, 100) },
		},
		{
			check: assess.CheckSentinelReach, what: "a sentinel that shows its peers a wrong password",
			do: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL CONFIG SET sentinel-pass wrong")
			},
			names: func(g *group) []string {
				return []string{node(g.one) + " does not reach " + node(g.master), node(g.one) + " does not reach " + node(g.other)}
			},
			may: []string{assess.CheckQuorum}, // it cannot count votes that it does not hear
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL CONFIG SET sentinel-pass "+g.Password())
			},
		},
	}
}

// priorities sets replica-priority on both replicas, and lets the sentinels ask
// for it every second instead of every ten.
func priorities(t *testing.T, g *group, priority int) {
	for i := 1; i <= 3; i++ {
		cli(t, g.Fleet, i, sentinelPort, "SENTINEL DEBUG info-period 500")
	}
	for _, i := range []int{g.one, g.other} {
		cli(t, g.Fleet, i, redisPort, fmt.Sprintf("CONFIG SET replica-priority %d", priority))
	}
}
