package fleet

import (
	"strings"
	"testing"
	"time"
)

// TestValidate changes one thing of a good spec and looks at what is said. The
// wording as an operator sees it is in internal/specfile/testdata/bad.
func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Spec, *GroupSpec, *SentinelSpec)
		errs   []string // paths
		warns  []string
	}{
		{name: "good", change: func(*Spec, *GroupSpec, *SentinelSpec) {}},
		{name: "no fleet name", change: func(s *Spec, _ *GroupSpec, _ *SentinelSpec) { s.Fleet.Name = "" }, errs: []string{"fleet.name"}},
		{name: "no group", change: func(s *Spec, _ *GroupSpec, _ *SentinelSpec) { s.Groups = nil }, errs: []string{"group"}},
		{name: "no nodes", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Nodes = nil }, errs: []string{"group[0].nodes"}},
		{name: "a name in capitals", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Name = "Sessions" }, errs: []string{"group[0].name"}},
		{name: "a node twice", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Nodes[2] = "n1" },
			errs: []string{"group[0].nodes[2]"}},
		{name: "a sentinel's node twice", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.Nodes = []string{"n1", "n2", "n2"} },
			errs: []string{"group[0].sentinel.nodes[2]"}},
		{name: "sentinels on nodes of their own", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.Nodes = []string{"w1", "w2", "w3"} }},
		{name: "port 0 is the default", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Port = 0 }},
		{name: "the greatest port", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Port = 65535 }},
		{name: "a port too great", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Port = 65536 }, errs: []string{"group[0].port"}},
		{name: "one port for both", change: func(_ *Spec, g *GroupSpec, s *SentinelSpec) { g.Port, s.Port = 7000, 7000 },
			errs: []string{"group[0].sentinel.port"}},
		{name: "one port for both on other nodes", change: func(_ *Spec, g *GroupSpec, s *SentinelSpec) {
			g.Port, s.Port, s.Nodes = 7000, 7000, []string{"w1", "w2", "w3"}
		}},
		{name: "generate and file", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Password = PasswordSpec{true, "/p"} }, errs: []string{"group[0].password"}},
		{name: "prefer elsewhere", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Prefer = "n4" }, errs: []string{"group[0].prefer"}},
		{name: "quorum above the sentinels", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.Quorum = 4 }, errs: []string{"group[0].sentinel.quorum"}},
		{name: "quorum below one", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.Quorum = -1 }, errs: []string{"group[0].sentinel.quorum"}},
		{name: "quorum below the majority", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.Quorum = 1 }, warns: []string{"group[0].sentinel.quorum"}},
		{name: "quorum above the majority", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.Quorum = 3 }, warns: []string{"group[0].sentinel.quorum"}},
		{name: "two nodes", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Nodes = g.Nodes[:2] }, warns: []string{"group[0].sentinel.nodes"}},
		{name: "one node", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Nodes = g.Nodes[:1] },
			warns: []string{"group[0].sentinel.nodes", "group[0].sentinel.nodes"}},
		{name: "four sentinels", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.Nodes = []string{"a", "b", "c", "d"} }, warns: []string{"group[0].sentinel.nodes"}},
		{name: "four nodes have three sentinels", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Nodes = append(g.Nodes, "n4") }},
		{name: "an empty list of sentinels", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.Nodes = []string{} }, errs: []string{"group[0].sentinel.nodes"}},
		{name: "down_after at its least", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.DownAfter = minDownAfter }, warns: []string{"group[0].sentinel.down_after"}},
		{name: "down_after below it", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.DownAfter = minDownAfter - 1 }, errs: []string{"group[0].sentinel.down_after"}},
		{name: "down_after of a second", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.DownAfter = Duration(time.Second) }},
		{name: "down_after too fine", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.DownAfter = Duration(time.Second + 1) }, errs: []string{"group[0].sentinel.down_after"}},
		{name: "down_after too long", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.DownAfter = maxDownAfter + 1 }, errs: []string{"group[0].sentinel.down_after"}},
		{name: "failover_timeout too short", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.FailoverTimeout = -1 }, errs: []string{"group[0].sentinel.failover_timeout"}},
		{name: "failover_timeout too long", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.FailoverTimeout = maxFailoverTimeout + 1 },
			errs: []string{"group[0].sentinel.failover_timeout"}},
		{name: "parallel_syncs below one", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.ParallelSyncs = -1 }, errs: []string{"group[0].sentinel.parallel_syncs"}},
		{name: "unknown announce", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.Announce = "dns" }, errs: []string{"group[0].sentinel.announce"}},
		{name: "unknown topology", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Topology = "sentinell" }, errs: []string{"group[0].topology"}},
		{name: "unknown engine", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Engine = "keydb" }, errs: []string{"group[0].engine"}},
		{name: "a master name with a space", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.MasterName = "a b" }, errs: []string{"group[0].sentinel.master_name"}},
		{name: "a master name in capitals", change: func(_ *Spec, _ *GroupSpec, s *SentinelSpec) { s.MasterName = "My.Master_1" }},
		{name: "sentinels of a replication group", change: func(_ *Spec, g *GroupSpec, s *SentinelSpec) { g.Topology, s.Quorum = Replication, 2 },
			errs: []string{"group[0].sentinel"}},
		{name: "an owned directive", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Config = Directives{"RequirePass": {"x"}} },
			errs: []string{"group[0].config.RequirePass"}},
		{name: "a directive in two cases", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Config = Directives{"hz": {"1"}, "HZ": {"2"}} },
			errs: []string{"group[0].config.hz"}},
		{name: "a line smuggled into a value", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Config = Directives{"hz": {"1\nport 1"}} },
			errs: []string{"group[0].config.hz"}},
		{name: "a line smuggled into a name", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Config = Directives{"hz 1\nport": {"1"}} },
			errs: []string{"group[0].config.hz 1\nport"}},
		{name: "no value", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Config = Directives{"hz": nil} }, errs: []string{"group[0].config.hz"}},
		{name: "writes that need every replica", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) { g.Config = Directives{"min-slaves-to-write": {"2"}} },
			warns: []string{"group[0].config.min-slaves-to-write"}},
		{name: "writes that need one of two replicas", change: func(_ *Spec, g *GroupSpec, _ *SentinelSpec) {
			g.Config = Directives{"min-replicas-to-write": {"1"}}
		}},
		{name: "many at once", change: func(s *Spec, g *GroupSpec, t *SentinelSpec) {
			s.Fleet.Name, g.Port, g.Engine, g.Prefer, t.Quorum, t.ParallelSyncs = "-", -5, "?", "x", 9, -1
		}, errs: []string{"fleet.name", "group[0].engine", "group[0].port", "group[0].prefer", "group[0].sentinel.quorum", "group[0].sentinel.parallel_syncs"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := namedSpec("n1", "n2", "n3")
			tt.change(&s, &s.Groups[0], &s.Groups[0].Sentinel)
			warnings, errs := s.Validate()
			wantPaths(t, "errors", errs, tt.errs)
			wantPaths(t, "warnings", warnings, tt.warns)
		})
	}
}

func wantPaths(t *testing.T, what string, got []Problem, want []string) {
	t.Helper()
	paths := make([]string, len(got))
	for i, p := range got {
		paths[i] = p.Path
		if p.Message == "" {
			t.Errorf("%s has no message", p.Path)
		}
	}
	if strings.Join(paths, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: got %v, want paths %v", what, got, want)
	}
}

func TestValidateGroups(t *testing.T) {
	t.Parallel()
	group := func(name string, port int, nodes ...string) GroupSpec {
		return GroupSpec{Name: name, Port: port, Nodes: nodes, Sentinel: SentinelSpec{Port: port + 20000}}
	}
	tests := []struct {
		name   string
		groups []GroupSpec
		errs   []string
	}{
		{name: "side by side on other ports", groups: []GroupSpec{group("a", 7000, "n1", "n2", "n3"), group("b", 7001, "n1", "n2", "n3")}},
		{name: "one port on other nodes", groups: []GroupSpec{group("a", 7000, "n1", "n2", "n3"), group("b", 7000, "m1", "m2", "m3")}},
		{name: "one name", groups: []GroupSpec{group("a", 7000, "n1", "n2", "n3"), group("a", 7001, "n1", "n2", "n3")},
			errs: []string{"group[1].name"}},
		{name: "one port on one node", groups: []GroupSpec{group("a", 7000, "n1", "n2", "n3"), group("b", 7000, "n3", "m2", "m3")},
			errs: []string{"group[1].port", "group[1].sentinel.port"}},
		{name: "a server where a sentinel is", groups: []GroupSpec{group("a", 7000, "n1", "n2", "n3"), group("b", 27000, "n1", "n2", "n3")},
			errs: []string{"group[1].port"}},
		{name: "one service", groups: []GroupSpec{
			{Name: "a", Nodes: []string{"n1", "n2", "n3"}, Service: "shop-b"}, {Name: "b", Nodes: []string{"m1", "m2", "m3"}}},
			errs: []string{"group[1].service"}},
		{name: "a service that is the default of another by chance", groups: []GroupSpec{
			{Name: "a", Nodes: []string{"n1", "n2", "n3"}}, {Name: "b", Nodes: []string{"m1", "m2", "m3"}, Service: "shop-a"}},
			errs: []string{"group[1].service"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			warnings, errs := Spec{Fleet: FleetSpec{Name: "shop"}, Groups: tt.groups}.Validate()
			wantPaths(t, "errors", errs, tt.errs)
			wantPaths(t, "warnings", warnings, nil)
		})
	}
}

// TestNoValueIsShown: a value may be a password in the wrong place (promise
// secrets-stay-secret), so no message of the config repeats one.
func TestNoValueIsShown(t *testing.T) {
	t.Parallel()
	const planted = "planted-secret"
	s := namedSpec("n1", "n2", "n3")
	s.Groups[0].Config = Directives{
		"requirepass": {planted}, "masterauth": {planted}, "hz": {planted + "\n"}, "user": {"default on >" + planted},
		"tls-key-file-pass": {planted}, "bad name": {planted},
	}
	_, errs := s.Validate()
	if len(errs) != 6 {
		t.Errorf("got %v", errs)
	}
	for _, p := range errs {
		if strings.Contains(p.String(), planted) {
			t.Errorf("shown: %s", p)
		}
	}
}
