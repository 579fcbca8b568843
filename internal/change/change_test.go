package change

import (
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
