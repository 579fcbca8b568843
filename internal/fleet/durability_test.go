package fleet

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWithDurability: the levels as directives, and the one that is the default
// changes nothing.
func TestWithDurability(t *testing.T) {
	t.Parallel()
	own := Directives{"maxmemory": {"1gb"}}
	for name, tc := range map[string]struct {
		edit func(*GroupSpec)
		want Directives
	}{
		"default": {func(*GroupSpec) {}, own},
		"fast":    {func(g *GroupSpec) { g.Durability = Fast }, own},
		"bounded": {func(g *GroupSpec) { g.Durability = Bounded },
			Directives{"maxmemory": {"1gb"}, "min-replicas-to-write": {"1"}, "min-replicas-max-lag": {"9"}}},
		"bounded in 5 s": {func(g *GroupSpec) { g.Durability, g.MaxLag = Bounded, Duration(5*time.Second) },
			Directives{"maxmemory": {"1gb"}, "min-replicas-to-write": {"1"}, "min-replicas-max-lag": {"4"}}},
		"acknowledged": {func(g *GroupSpec) { g.Durability = Acknowledged },
			Directives{"maxmemory": {"1gb"}, "min-replicas-to-write": {"1"}, "min-replicas-max-lag": {"9"},
				"appendonly": {"yes"}, "appendfsync": {"always"}, "no-appendfsync-on-rewrite": {"no"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := GroupSpec{Name: "main", Nodes: []string{"n1", "n2", "n3"}, Config: own}
			tc.edit(&g)
			g = g.withDefaults("shop")
			if diff := cmp.Diff(tc.want, g.WithDurability()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(Directives{"maxmemory": {"1gb"}}, g.Config); diff != "" {
				t.Errorf("the spec was changed: %s", diff)
			}
		})
	}
}
