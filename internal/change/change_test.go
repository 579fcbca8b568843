package change

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

func group(edit func(*fleet.GroupSpec)) fleet.GroupSpec {
	g := fleet.GroupSpec{Name: "main", Nodes: []string{"n1", "n2", "n3"}}
	if edit != nil {
		edit(&g)
	}
	return fleet.Spec{Fleet: fleet.FleetSpec{Name: "shop"}, Groups: []fleet.GroupSpec{g}}.WithDefaults().Groups[0]
}

func TestDifferences(t *testing.T) {
	tests := map[string]struct {
		next fleet.GroupSpec
		want []string
	}{
		"none":      {group(nil), nil},
		"a default": {group(func(g *fleet.GroupSpec) { g.Port = 6379 }), nil},
		"port":      {group(func(g *fleet.GroupSpec) { g.Port = 7000 }), []string{"port is 6379, not 7000"}},
		"quorum":    {group(func(g *fleet.GroupSpec) { g.Sentinel.Quorum = 3 }), []string{"sentinel.quorum is 2, not 3"}},
		"nodes": {group(func(g *fleet.GroupSpec) { g.Sentinel.Nodes = g.Nodes; g.Nodes = g.Nodes[:2] }),
			[]string{`nodes is ["n1","n2","n3"], not ["n1","n2"]`}},
		"a directive": {group(func(g *fleet.GroupSpec) { g.Config = fleet.Directives{"maxmemory": {"1gb"}} }),
			[]string{`config.maxmemory is not set, not ["1gb"]`}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Differences(group(nil), tc.next)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAChangeOfNodesPointsToItsVerb: the spec alone does not say which machine goes.
func TestAChangeOfNodesPointsToItsVerb(t *testing.T) {
	old := group(nil)
	w := fleet.World{Spec: &fleet.SpecRecord{Spec: fleet.Spec{Groups: []fleet.GroupSpec{old}}}}
	swap := func(g *fleet.GroupSpec) { g.Nodes = []string{"n1", "n2", "n4"} }
	tests := map[string]struct {
		next fleet.GroupSpec
		want string
	}{
		"another node":              {group(swap), "redfleet node remove"},
		"a node more":               {group(func(g *fleet.GroupSpec) { g.Nodes = append(g.Nodes, "n4") }), "redfleet node remove"},
		"another node and the port": {group(func(g *fleet.GroupSpec) { swap(g); g.Port = 7000 }), Later},
		"the quorum alone":          {group(func(g *fleet.GroupSpec) { g.Sentinel.Quorum = 3 }), Later},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := Compare(fleet.Spec{Groups: []fleet.GroupSpec{tc.next}}, w)
			if len(p.Refused) != 1 || !strings.Contains(p.Refused[0], tc.want) {
				t.Errorf("refused: %q, want %q in it", p.Refused, tc.want)
			}
		})
	}
}

func TestCompareNamesNodesWithoutAnAgent(t *testing.T) {
	w := fleet.World{Reports: map[string]fleet.ReportRecord{"n1": {Alive: true}, "n2": {}}}
	p := Compare(fleet.Spec{Groups: []fleet.GroupSpec{group(nil)}}, w)
	if diff := cmp.Diff([]string{"n2", "n3"}, p.Missing); diff != "" {
		t.Error(diff)
	}
	if len(p.Make) != 1 || len(p.Refused) != 0 {
		t.Errorf("plan: %+v", p)
	}
}
