package lab

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// The fixed names and ports of a lab. Each node has a loopback address of its
// own, so that all of them can use the standard ports.
const (
	Fleet = "lab"
	Group = "main"

	redisPort    = 6379
	sentinelPort = 26379
	httpPort     = 6480
	standInPort  = 8500

	// maxNodes keeps the addresses within .11 to .110 of the lab's network.
	maxNodes = 100
)

// Plan is what a lab consists of. Zero fields are the lab's own values where it
// is there already, else the defaults.
type Plan struct {
	Nodes        int            `json:"nodes"`
	Sentinels    int            `json:"sentinels"`
	Coordinators int            `json:"coordinators"`
	Topology     fleet.Topology `json:"topology"`
	// Consul is the address of a real Consul; empty for the stand-in.
	Consul string `json:"consul,omitempty"`
	// TokenFile is the token for a real Consul; empty for none.
	TokenFile string         `json:"token_file,omitempty"`
	DownAfter fleet.Duration `json:"down_after"`
	// RedisServer is the engine's program; empty: found in PATH.
	RedisServer string `json:"redis_server,omitempty"`
	// Net is the first three numbers of the lab's loopback addresses. Labs with
	// different ones run side by side.
	Net string `json:"net"`
}

// withDefaults fills in what was left out. Fewer than three nodes have as many
// sentinels as nodes: verify says what that cannot survive (hazard S17).
func (p Plan) withDefaults() Plan {
	p.Nodes = cmp.Or(p.Nodes, 3)
	p.Coordinators = cmp.Or(p.Coordinators, 1)
	p.Topology = cmp.Or(p.Topology, fleet.Sentinel)
	p.Net = cmp.Or(p.Net, "127.0.0")
	p.DownAfter = cmp.Or(p.DownAfter, fleet.Duration(5*time.Second))
	if p.Topology == fleet.Sentinel {
		p.Sentinels = cmp.Or(p.Sentinels, min(3, p.Nodes))
	}
	return p
}

// over lets the fields that were asked for stand over those of an existing
// lab. A lab does not change its shape: what differs is an error that names it.
func (p Plan) over(kept Plan) (Plan, error) {
	var differs []string
	note := func(name string, asked, has any, zero bool) {
		if !zero && asked != has {
			differs = append(differs, fmt.Sprintf("%s is %v here, not %v", name, has, asked))
		}
	}
	note("--nodes", p.Nodes, kept.Nodes, p.Nodes == 0)
	note("--sentinels", p.Sentinels, kept.Sentinels, p.Sentinels == 0)
	note("--coordinators", p.Coordinators, kept.Coordinators, p.Coordinators == 0)
	note("--topology", p.Topology, kept.Topology, p.Topology == "")
	note("--consul", p.Consul, kept.Consul, p.Consul == "")
	note("--token-file", p.TokenFile, kept.TokenFile, p.TokenFile == "")
	note("--down-after", p.DownAfter.Std(), kept.DownAfter.Std(), p.DownAfter == 0)
	note("--net", p.Net, kept.Net, p.Net == "")
	note("--redis-server", p.RedisServer, kept.RedisServer, p.RedisServer == "")
	if len(differs) > 0 {
		return Plan{}, fmt.Errorf("there is a lab already, of another shape: %s; run `redfleet lab down` first, or choose another --dir",
			strings.Join(differs, ", "))
	}
	return kept, nil
}

// validate says what cannot be built.
func (p Plan) validate() error {
	switch {
	case p.Nodes < 1 || p.Nodes > maxNodes:
		return fmt.Errorf("--nodes %d: a lab has 1 to %d nodes", p.Nodes, maxNodes)
	case p.Topology != fleet.Sentinel && p.Topology != fleet.Replication:
		hint := ""
		if near, ok := fleet.Nearest(string(p.Topology), fleet.Topologies()); ok {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return fmt.Errorf("--topology %q is not known; known are %s%s", p.Topology, strings.Join(fleet.Topologies(), ", "), hint)
	case p.Topology == fleet.Replication && p.Sentinels != 0:
		return fmt.Errorf("--sentinels %d: topology replication has none; leave the flag out, or use --topology sentinel", p.Sentinels)
	case p.Topology == fleet.Sentinel && (p.Sentinels < 1 || p.Sentinels > p.Nodes):
		return fmt.Errorf("--sentinels %d: a sentinel needs a node of its own, so 1 to %d are possible here", p.Sentinels, p.Nodes)
	case p.Coordinators < 1 || p.Coordinators > p.Nodes:
		return fmt.Errorf("--coordinators %d: coordinator i runs on node i, so 1 to %d are possible here", p.Coordinators, p.Nodes)
	case !isLoopbackNet(p.Net):
		return fmt.Errorf("--net %q: want the first three numbers of loopback addresses, as in 127.0.1", p.Net)
	case p.DownAfter.Std() < time.Millisecond:
		return fmt.Errorf("--down-after %s: Sentinel counts whole milliseconds, so at least 1ms", p.DownAfter.Std())
	}
	return nil
}

// nodes are the names n1, n2 …
func (p Plan) nodes() []string { return names(p.Nodes) }

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("n%d", i+1)
	}
	return out
}

func isLoopbackNet(s string) bool {
	addr, err := netip.ParseAddr(s + ".10")
	return err == nil && addr.Is4() && addr.IsLoopback()
}

// address of the node with this place in the list, from 0.
func (p Plan) address(i int) string { return fmt.Sprintf("%s.%d", p.Net, 11+i) }

// standInAddr is where the stand-in for Consul listens.
func (p Plan) standInAddr() string { return fmt.Sprintf("%s.10:%d", p.Net, standInPort) }

// consulAddr is where the lab's Consul answers.
func (p Plan) consulAddr() string { return cmp.Or(p.Consul, p.standInAddr()) }

// spec is what the lab asks of its fleet.
func (p Plan) spec() fleet.Spec {
	g := fleet.GroupSpec{
		Name: Group, Topology: p.Topology, Engine: fleet.EngineRedis, Nodes: p.nodes(), Port: redisPort,
		Password: fleet.PasswordSpec{Generate: true},
	}
	if p.Topology == fleet.Sentinel {
		g.Sentinel = fleet.SentinelSpec{Nodes: names(p.Sentinels), Port: sentinelPort, DownAfter: p.DownAfter}
	}
	return fleet.Spec{Fleet: fleet.FleetSpec{Name: Fleet}, Groups: []fleet.GroupSpec{g}}.WithDefaults()
}
