package preflight

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Plan is what is to run on this node and beside it, as the checks need it.
type Plan struct {
	// Source says where it comes from, for people; empty where nothing is known
	// of what is to run.
	Source string
	// Instances are those of this node.
	Instances []Instance
	// Peers are the instances of the same groups on other nodes.
	Peers []Peer
	// Names: some group of this node announces host names.
	Names bool
}

// Instance is one that is to run here.
type Instance struct {
	ID     fleet.InstanceID
	Kind   fleet.Kind
	Group  string
	Engine string
	// Ports are the port of the instance, then that of the cluster bus where
	// the group is a Redis Cluster.
	Ports  []int
	Config fleet.Directives
}

// Peer is an instance on another node.
type Peer struct {
	Node string
	// Host is empty where the node's address is not known.
	Host  string
	Ports []int
}

// cluster is Redis Cluster's topology. A spec cannot ask for it yet; its bus is
// what makes a firewall's list one port longer.
const cluster fleet.Topology = "cluster"

// busOffset is what the cluster bus adds to the data port (hazard R3).
const busOffset = 10000

func portsOf(t fleet.Topology, kind fleet.Kind, port int) []int {
	if t == cluster && kind == fleet.KindRedis {
		return []int{port, port + busOffset}
	}
	return []int{port}
}

// OfSpec makes the plan of one node out of a spec with its defaults; addresses
// gives the other nodes' hosts by name, as far as they are known. It is pure.
func OfSpec(source string, spec fleet.Spec, node string, addresses map[string]string) Plan {
	p := Plan{Source: source}
	for _, g := range spec.Groups {
		p.addGroup(g, node, addresses)
	}
	return p
}

func (p *Plan) addGroup(g fleet.GroupSpec, node string, addresses map[string]string) {
	sentinels := g.Topology == fleet.Sentinel
	server, sentinel := slices.Contains(g.Nodes, node), sentinels && slices.Contains(g.Sentinel.Nodes, node)
	if !server && !sentinel {
		return
	}
	add := func(kind fleet.Kind, nodes []string, port int, config fleet.Directives) {
		ports := portsOf(g.Topology, kind, port)
		for _, n := range nodes {
			if n != node {
				p.Peers = append(p.Peers, Peer{Node: n, Host: addresses[n], Ports: ports})
				continue
			}
			p.Instances = append(p.Instances, Instance{ID: fleet.NewInstanceID(kind, g.Name, port), Kind: kind, Group: g.Name,
				Engine: g.Engine, Ports: ports, Config: config})
		}
	}
	add(fleet.KindRedis, g.Nodes, g.Port, g.Config)
	if sentinels {
		add(fleet.KindSentinel, g.Sentinel.Nodes, g.Sentinel.Port, nil)
		p.Names = p.Names || g.Sentinel.Announce == fleet.AnnounceHostname
	}
}

// OfGoal makes the plan out of a node's goal. It is pure.
func OfGoal(goal fleet.Goal) Plan {
	p := Plan{Source: fmt.Sprintf("goal %d", goal.Epoch)}
	seen := map[fleet.Addr]bool{}
	for _, g := range goal.Instances {
		if g.Adopted != nil {
			continue // it runs, and needs nothing of the machine that it does not have
		}
		p.Instances = append(p.Instances, Instance{ID: g.ID, Kind: g.Kind, Group: g.Group, Engine: g.Engine,
			Ports: portsOf(g.Topology, g.Kind, g.Addr.Port), Config: g.Config})
		p.Names = p.Names || g.Monitor != nil && g.Monitor.Announce == fleet.AnnounceHostname
		for kind, members := range map[fleet.Kind][]fleet.Member{fleet.KindRedis: g.Servers, fleet.KindSentinel: g.Sentinels} {
			for _, m := range members {
				if m.Node != goal.Node && !seen[m.Addr] {
					seen[m.Addr] = true
					p.Peers = append(p.Peers, Peer{Node: m.Node, Host: m.Addr.Host, Ports: portsOf(g.Topology, kind, m.Addr.Port)})
				}
			}
		}
	}
	slices.SortFunc(p.Peers, comparePeers)
	return p
}

func comparePeers(a, b Peer) int {
	return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Ports[0], b.Ports[0]))
}

// servers are the redis instances among the node's.
func (p Plan) servers() []Instance {
	return slices.DeleteFunc(slices.Clone(p.Instances), func(i Instance) bool { return i.Kind != fleet.KindRedis })
}
