package fleet

import "fmt"

// uniqueAmongGroups: what names a group must name one only.
func (v *validator) uniqueAmongGroups(groups []GroupSpec) {
	names, services := map[string]int{}, map[string]int{}
	for i, g := range groups {
		if j, seen := names[g.Name]; seen && g.Name != "" {
			v.errorf(fmt.Sprintf("group[%d].name", i), "two groups are named %q (the first is group[%d]); give one another name",
				g.Name, j)
			continue // its service is the same by default
		}
		names[g.Name] = i
		if j, seen := services[g.Service]; seen {
			v.errorf(fmt.Sprintf("group[%d].service", i), "group %q has the service %q too: a client could not tell the "+
				"two masters apart; give one another service", groups[j].Name, g.Service)
			continue
		}
		services[g.Service] = i
	}
}

// listener is what takes a port on a node.
type listener struct{ path, what string }

// portsOnNodes finds two instances that would listen on one port of one node.
// A clash between the same two is told once, for the first node.
func (v *validator) portsOnNodes(groups []GroupSpec) {
	type socket struct {
		node string
		port int
	}
	taken := map[socket]listener{}
	told := map[[2]string]bool{}
	claim := func(nodes []string, port int, l listener) {
		seen := map[string]bool{} // a node listed twice is another error
		for _, node := range nodes {
			if seen[node] || port < 1 {
				continue
			}
			seen[node] = true
			other, clash := taken[socket{node, port}]
			if !clash {
				taken[socket{node, port}] = l
				continue
			}
			if pair := [2]string{other.path, l.path}; !told[pair] {
				told[pair] = true
				v.errorf(l.path, "port %d is taken on node %q by %s (%s); give one of them another port",
					port, node, other.what, other.path)
			}
		}
	}
	for i, g := range groups {
		path := fmt.Sprintf("group[%d]", i)
		claim(g.Nodes, g.Port, listener{path + ".port", fmt.Sprintf("the servers of group %q", g.Name)})
		if g.Topology == Sentinel {
			claim(g.Sentinel.Nodes, g.Sentinel.Port,
				listener{path + ".sentinel.port", fmt.Sprintf("the sentinels of group %q", g.Name)})
		}
	}
}
