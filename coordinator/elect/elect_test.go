package elect_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/elect"
	"github.com/redfleet/redfleet/internal/fleet"
)

var (
	idA = strings.Repeat("a", 40)
	idB = strings.Repeat("b", 40)
)

func addr(node string) fleet.Addr { return fleet.Addr{Host: "10.0.0." + node[1:], Port: 6379} }

func group() fleet.GroupSpec {
	spec := fleet.Spec{Fleet: fleet.FleetSpec{Name: "shop"}, Groups: []fleet.GroupSpec{{Name: "main", Nodes: []string{"n1", "n2", "n3"}}}}
	return spec.WithDefaults().Groups[0]
}

// node builds one candidate.
type node struct{ elect.Candidate }

func on(name string) node { return node{elect.Candidate{Node: name, Addr: addr(name)}} }

func (n node) data(replid string, offset int64) node {
	n.Dataset = fleet.Dataset{Present: true, ReplID: replid, Offset: offset}
	return n
}

func (n node) newest(hour int) node {
	n.Dataset.Newest = time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC)
	return n
}

func (n node) names(master string, epoch uint64, replicas ...string) node {
	n.State = &elect.SentinelState{Master: addr(master), Epoch: epoch}
	for _, r := range replicas {
		n.State.Replicas = append(n.State.Replicas, addr(r))
	}
	return n
}

func (n node) master() node { n.RunsMaster = true; return n }

func (n node) ranked(priority int) node { n.Priority = priority; return n }

func (n node) in(zone string) node { n.Zone = zone; return n }

func (n node) out(why string) node { n.Out = why; return n }

func (n node) member(id string) node { n.GroupIDs = []string{id}; return n }

func candidates(nodes ...node) []elect.Candidate {
	out := make([]elect.Candidate, len(nodes))
	for i, n := range nodes {
		out[i] = n.Candidate
	}
	return out
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		nodes      []node
		prefer     string
		override   string
		node, rule string
		says       string
	}{
		{"fresh fleet: by name", []node{on("n3"), on("n1"), on("n2")}, "", "", "n1", elect.RuleName, "first by name"},
		{"fresh fleet: the spec's preference", []node{on("n1").ranked(1), on("n2"), on("n3")}, "n2", "", "n2", elect.RulePreferred, "prefers n2"},
		{"fresh fleet: priority", []node{on("n1"), on("n2"), on("n3").ranked(10)}, "", "", "n3", elect.RulePriority, "lowest priority (10)"},
		{"fresh fleet: no priority is 100", []node{on("n1").ranked(101), on("n2").ranked(101), on("n3")}, "", "", "n3", elect.RulePriority, "(100)"},
		{"fresh fleet: the zone with most nodes", []node{on("n1").in("a"), on("n2").in("b"), on("n3").in("b")}, "", "", "n2", elect.RuleZone, "zone b"},
		{"fresh fleet: zones of equal size do not decide", []node{on("n1").in("a"), on("n2").in("b"), on("n3")}, "", "", "n1", elect.RuleName, ""},
		{"fresh fleet: the operator", []node{on("n1"), on("n2"), on("n3")}, "n1", "n3", "n3", elect.RuleOperator, "operator named n3"},
		{"data beats the preference", []node{on("n1"), on("n2"), on("n3").data(idA, 5)}, "n1", "", "n3", elect.RuleMostAdvanced, "only node that holds data"},
		{"data of unknown origin on one node", []node{on("n1"), on("n2").data("", 0), on("n3")}, "", "", "n2", elect.RuleMostAdvanced, ""},
		{"one lineage: highest offset", []node{on("n1").data(idA, 5).newest(9), on("n2").data(idA, 7).newest(1), on("n3")}, "n1", "", "n2", elect.RuleMostAdvanced, "offset 7"},
		{"one lineage: equal offsets, newest file", []node{on("n1").data(idA, 7).newest(1), on("n2").data(idA, 7).newest(2), on("n3")}, "n1", "", "n2", elect.RuleMostAdvanced, ""},
		{"one lineage: an unknown offset is no low one", []node{on("n1").data(idA, 7).newest(1), on("n2").data(idA, 0).newest(2), on("n3")}, "", "", "n2", elect.RuleMostAdvanced, ""},
		{"sentinel state beats the offset", []node{on("n1").data(idA, 5).names("n1", 3), on("n2").data(idA, 7).names("n1", 3), on("n3")}, "", "", "n1", elect.RuleSentinelState, "epoch 3, on n1, n2"},
		{"the highest epoch counts", []node{on("n1").data(idA, 5).names("n1", 3), on("n2").data(idA, 5).names("n1", 3), on("n3").data(idA, 5).names("n2", 4)}, "", "", "n2", elect.RuleSentinelState, "epoch 4"},
		{"three masters named at one epoch do not decide", []node{on("n1").data(idA, 5).names("n1", 3), on("n2").data(idA, 6).names("n2", 3), on("n3").data(idA, 5).names("n3", 3)}, "", "", "n2", elect.RuleMostAdvanced, ""},
		{"two masters named at one epoch do not decide", []node{on("n1").data(idA, 5).names("n1", 3), on("n2").data(idA, 6).names("n2", 3), on("n3")}, "", "", "n2", elect.RuleMostAdvanced, ""},
		{"a running master that sentinels name", []node{on("n1").data(idA, 9), on("n2").data(idA, 5).master().names("n2", 1), on("n3")}, "", "", "n2", elect.RuleRunningMaster, "runs as master now"},
		{"a running master that only an old epoch names", []node{on("n1").data(idA, 5).names("n1", 4), on("n2").data(idA, 5).master().names("n2", 1), on("n3").names("n1", 4)}, "", "", "n1", elect.RuleSentinelState, ""},
		{"a running empty master does not beat data", []node{on("n1").master().names("n1", 4), on("n2").data(idA, 5).names("n1", 4), on("n3").names("n1", 4)}, "", "", "n2", elect.RuleMostAdvanced, ""},
		{"a running empty master of an empty group", []node{on("n1"), on("n2").master().names("n2", 0), on("n3")}, "n1", "", "n2", elect.RuleRunningMaster, ""},
		{"power loss of a whole fleet", []node{
			on("n1").data(idA, 90).names("n2", 2, "n1", "n3"), on("n2").data(idA, 80).names("n2", 2, "n1", "n3"), on("n3").data(idA, 70).names("n2", 2, "n1", "n3"),
		}, "", "", "n2", elect.RuleSentinelState, ""},
		{"power loss after a failover: older dumps keep the old id", []node{
			on("n1").data(idA, 50).names("n2", 2), on("n2").data(idB, 80).names("n2", 2), on("n3").data(idA, 50).names("n2", 2),
		}, "", "", "n2", elect.RuleSentinelState, ""},
		{"power loss with data whose id cannot be read", []node{
			on("n1").data("", 0).names("n2", 2), on("n2").data("", 0).names("n2", 2), on("n3").data("", 0).names("n2", 2),
		}, "", "", "n2", elect.RuleSentinelState, ""},
		{"a listed replica without a sentinel of its own", []node{
			on("n1").data(idA, 50), on("n2").data(idB, 80).names("n2", 2, "n1", "n3"), on("n3").data("", 0),
		}, "", "", "n2", elect.RuleSentinelState, ""},
		{"equal offsets: the newest file wherever it lies", []node{on("n1").data(idA, 7).newest(2), on("n2").data(idA, 7).newest(1), on("n3")}, "", "", "n1", elect.RuleMostAdvanced, ""},
		{"equal offsets and files: the first by name", []node{on("n1").data(idA, 7).newest(2), on("n2").data(idA, 7).newest(2), on("n3")}, "", "", "n1", elect.RuleMostAdvanced, ""},
		{"a higher offset beats a newer file", []node{on("n1").data(idA, 9).newest(1), on("n2").data(idA, 7).newest(2), on("n3")}, "", "", "n1", elect.RuleMostAdvanced, ""},
		{"an offset unknown: an older file loses", []node{on("n1").data(idA, 0).newest(2), on("n2").data(idA, 7).newest(1), on("n3")}, "", "", "n1", elect.RuleMostAdvanced, ""},
		{"an offset unknown, files equal: what is known counts", []node{on("n1").data(idA, 0).newest(1), on("n2").data(idA, 7).newest(1), on("n3")}, "", "", "n2", elect.RuleMostAdvanced, ""},
		{"an offset unknown, files equal, on the second node", []node{on("n1").data(idA, 7).newest(1), on("n2").data(idA, 0).newest(1), on("n3")}, "", "", "n1", elect.RuleMostAdvanced, ""},
		{"offsets unknown and files equal: the first by name", []node{on("n1").data(idA, 0).newest(1), on("n2").data(idA, 0).newest(1), on("n3")}, "", "", "n1", elect.RuleMostAdvanced, ""},
		{"a node shares the lineage of one that the sentinels know", []node{
			on("n1").data(idA, 50).names("n2", 2), on("n2").data(idB, 80).names("n2", 2), on("n3").data(idA, 40),
		}, "", "", "n2", elect.RuleSentinelState, ""},
		{"a running master with an id that its promotion began", []node{
			on("n1").data(idA, 50).names("n2", 2), on("n2").data(idB, 80).master().names("n2", 2), on("n3"),
		}, "", "", "n2", elect.RuleRunningMaster, ""},
		{"two of three at the highest epoch", []node{on("n1").data(idA, 5).names("n1", 3), on("n2").data(idA, 6).names("n1", 3), on("n3").data(idA, 7).names("n3", 3)}, "", "", "n1", elect.RuleSentinelState, ""},
		{"fresh fleet: a zone that all are in does not decide", []node{on("n1").in("a"), on("n2").in("a"), on("n3").in("a")}, "", "", "n1", elect.RuleName, ""},
		{"two lineages and the operator", []node{on("n1").data(idA, 5), on("n2").data(idB, 7), on("n3")}, "", "n1", "n1", elect.RuleOperator, "it replaces the data of n2: replid " + idB},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := group()
			g.Prefer = c.prefer
			d, err := elect.Initial(g, candidates(c.nodes...), c.override)
			if err != nil {
				t.Fatal(err)
			}
			if d.Node != c.node || d.Rule != c.rule || d.Master != addr(c.node) || !strings.Contains(d.Reason, c.says) {
				t.Errorf("decided %+v\nwant %s by %s: … %s …", d, c.node, c.rule, c.says)
			}
		})
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		nodes    []node
		override string
		kind     error
		says     []string
	}{
		{"a node never reported", []node{on("n1"), on("n3")}, "", elect.ErrMissing, []string{"2 of 3 nodes", "n2 (no agent has reported)"}},
		{"a node's agent is gone", []node{on("n1"), on("n2").out("its agent is gone"), on("n3")}, "", elect.ErrMissing, []string{"n2 (its agent is gone)"}},
		{"an operator's word does not replace a missing node", []node{on("n1"), on("n3")}, "n1", elect.ErrMissing, []string{"n2"}},
		{"two lineages", []node{on("n1").data(idA, 5), on("n2").data(idB, 7), on("n3")}, "", elect.ErrLineages,
			[]string{"n1", idA, "offset 5", "n2", idB, "offset 7", "`redfleet apply --initial-master main=n1`", "main=n2"}},
		{"two lineages, one runs and is named: the other is not wiped", []node{on("n1").data(idA, 5).master().names("n1", 3), on("n2").data(idB, 7), on("n3").names("n1", 3)}, "",
			elect.ErrLineages, []string{idA, idB}},
		{"a second running master in a list of replicas (S14)", []node{on("n1").data(idA, 5).names("n1", 3, "n2"), on("n2").data(idB, 7).master(), on("n3")}, "",
			elect.ErrLineages, []string{idA, idB}},
		{"data that nobody knows beside data of the sentinels' group, whose master is empty", []node{
			on("n1").data(idA, 5), on("n2").data(idB, 7).names("n3", 2), on("n3").names("n3", 2)}, "",
			elect.ErrLineages, []string{idA, idB}},
		{"named by a minority of the states", []node{on("n1").data(idA, 5).names("n1", 3), on("n2").data(idB, 7).names("n2", 2), on("n3").names("n2", 2)}, "",
			elect.ErrLineages, []string{idA, idB}},
		{"named by half of the states", []node{on("n1").data(idA, 5).names("n1", 3, "n2"), on("n2").data(idB, 7).names("n2", 2), on("n3")}, "",
			elect.ErrLineages, []string{idA, idB}},
		{"unknown data that nobody vouches for, beside unknown data that is", []node{
			on("n1").data("", 0).names("n2", 2), on("n2").data(idB, 7).names("n2", 2), on("n3").data("", 0)}, "",
			elect.ErrUnknownLineage, []string{"n1, n2, n3"}},
		{"unknown data tells when its newest file is of", []node{on("n1").data("", 0).newest(7), on("n2").data("", 0), on("n3")}, "", elect.ErrUnknownLineage,
			[]string{"newest file 2026-01-01T07:00:00Z", "newest file of unknown time"}},
		{"unknown data on two nodes", []node{on("n1").data("", 0), on("n2").data("", 0), on("n3")}, "", elect.ErrUnknownLineage,
			[]string{"n1, n2 hold data", "main=NODE"}},
		{"unknown beside known, nothing connects them", []node{on("n1").data(idA, 4), on("n2"), on("n3").data("", 0)}, "", elect.ErrUnknownLineage,
			[]string{"n1: replid " + idA, "n3: replid unknown"}},
		{"the sentinels name a master outside of the group", []node{on("n1").data("", 0).names("n9", 3), on("n2").data("", 0).names("n9", 3), on("n3")}, "",
			elect.ErrUnknownLineage, []string{"n1, n2"}},
		{"identity on a disk, no record in Consul (K5)", []node{on("n1").member("g7"), on("n2"), on("n3")}, "", elect.ErrIdentity,
			[]string{"n1", "g7", "never formed anew", "restore Consul"}},
		{"identity counts although a node is missing", []node{on("n1").member("g7")}, "n1", elect.ErrIdentity, []string{"g7"}},
		{"identity on a node outside of the group", []node{on("n1"), on("n2"), on("n3"), on("n9").member("g7")}, "", elect.ErrIdentity, []string{"n9"}},
		{"the operator names a stranger", []node{on("n1"), on("n2"), on("n3")}, "n9", elect.ErrOverride, []string{"n9", "n1, n2, n3"}},
		{"the operator names an empty node beside data", []node{on("n1"), on("n2").data(idA, 1), on("n3")}, "n1", elect.ErrOverride,
			[]string{"n1", "would wipe that of n2", "main=n2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := elect.Initial(group(), candidates(c.nodes...), c.override)
			if !errors.Is(err, c.kind) {
				t.Fatalf("decided %+v, error %v; want %v", d, err, c.kind)
			}
			var stop *elect.StopError
			if !errors.As(err, &stop) || stop.Found == "" || stop.Why == "" || stop.Do == "" || len(stop.Nodes) == 0 {
				t.Errorf("an error without its parts: %#v", err)
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestGroupWithoutNodesWaits(t *testing.T) {
	t.Parallel()
	g := group()
	g.Nodes, g.Sentinel.Nodes = nil, nil
	if _, err := elect.Initial(g, nil, ""); !errors.Is(err, elect.ErrMissing) {
		t.Errorf("error %v, want ErrMissing", err)
	}
}

func TestOneServer(t *testing.T) {
	t.Parallel()
	g := group()
	g.Nodes, g.Sentinel.Nodes = []string{"n1"}, nil
	d, err := elect.Initial(g, candidates(on("n1").ranked(5)), "")
	if err != nil || d.Rule != elect.RuleName {
		t.Errorf("decided %+v, error %v; a single server has the lowest priority of nobody", d, err)
	}
}

// TestZoneOfTheVoters: the zone counts by who votes, which in topology
// replication are the servers.
func TestZoneOfTheVoters(t *testing.T) {
	t.Parallel()
	nodes := candidates(on("n1").in("a"), on("n2").in("b"), on("n3").in("b"), on("n4").in("a"), on("n5").in("a"))
	g := group()
	g.Sentinel.Nodes = []string{"n1", "n4", "n5"}
	for topology, want := range map[fleet.Topology]string{fleet.Sentinel: "n1", fleet.Replication: "n2"} {
		g.Topology = topology
		if d, err := elect.Initial(g, nodes, ""); err != nil || d.Node != want || d.Rule != elect.RuleZone {
			t.Errorf("%s: decided %+v, error %v; want %s by its zone", topology, d, err, want)
		}
	}
}
