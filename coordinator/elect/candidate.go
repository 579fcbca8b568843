package elect

import (
	"fmt"
	"slices"
	"sort"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Candidate is one node as the election sees it: a server of the group, a node
// that only runs a sentinel, or a node outside of the group that carries
// something of it.
type Candidate struct {
	Node string
	// Addr is where the node's server is, or will be, reached. Also are other
	// addresses under which an older sentinel state may know it.
	Addr fleet.Addr
	Also []fleet.Addr
	// Out says why the node does not take part yet; empty when it does.
	Out string
	// Priority breaks ties, lower first; 0 stands for Redis's default of 100.
	Priority int
	Zone     string
	// RunsMaster: its redis-server runs now and ROLE says master.
	RunsMaster bool
	// Dataset is its data, in memory or in files.
	Dataset fleet.Dataset
	// State is what its sentinel knows, running or from sentinel.conf; nil
	// when the node has none.
	State *SentinelState
	// GroupIDs are the identities of the group that the node's disk carries.
	GroupIDs []string
}

// SentinelState is what one sentinel holds about the group's master.
type SentinelState struct {
	Master fleet.Addr
	Epoch  uint64
	// Replicas are the replicas that it lists.
	Replicas []fleet.Addr
}

// Candidates builds the candidates of g from the agents' reports: one for each
// node of the group, in order of name, and one for every other node that
// reports an instance of it. Nodes that never reported have Out set.
func Candidates(g fleet.GroupSpec, reports map[string]fleet.ReportRecord) []Candidate {
	members := Nodes(g)
	names := slices.Clone(members)
	for node, r := range reports {
		if !slices.Contains(members, node) && reportsGroup(r.Report, g.Name) {
			names = append(names, node)
		}
	}
	sort.Strings(names)
	out := make([]Candidate, 0, len(names))
	for _, node := range names {
		r, found := reports[node]
		out = append(out, candidate(g, node, r, found))
	}
	return out
}

// Nodes are the nodes that a group needs, servers and sentinels, each once and
// in order of name.
func Nodes(g fleet.GroupSpec) []string {
	nodes := slices.Clone(g.Nodes)
	if g.Topology == fleet.Sentinel {
		nodes = append(nodes, g.Sentinel.Nodes...)
	}
	sort.Strings(nodes)
	return slices.Compact(nodes)
}

// Announced is the address that an instance of g on the reporting node makes
// known to its peers (hazard S11): the node's address, or its host name where
// the group announces names.
func Announced(g fleet.GroupSpec, r fleet.Report, port int) fleet.Addr {
	if g.Sentinel.Announce == fleet.AnnounceHostname && r.Hostname != "" {
		return fleet.Addr{Host: r.Hostname, Port: port}
	}
	return fleet.Addr{Host: r.Address, Port: port}
}

func reportsGroup(r fleet.Report, group string) bool {
	return slices.ContainsFunc(r.Instances, func(i fleet.InstanceReport) bool { return i.Group == group })
}

func candidate(g fleet.GroupSpec, node string, r fleet.ReportRecord, found bool) Candidate {
	c := Candidate{
		Node:     node,
		Out:      outReason(g, node, r, found),
		Addr:     Announced(g, r.Report, g.Port),
		Priority: r.Report.Priority,
		Zone:     r.Report.Zone,
		Also: []fleet.Addr{
			{Host: r.Report.Address, Port: g.Port}, {Host: r.Report.Hostname, Port: g.Port},
		},
	}
	for _, i := range r.Report.Instances {
		if i.Group == g.Name {
			c.add(i)
		}
	}
	return c
}

// add takes over what one instance of the group tells.
func (c *Candidate) add(i fleet.InstanceReport) {
	if i.GroupID != "" && !slices.Contains(c.GroupIDs, i.GroupID) {
		c.GroupIDs = append(c.GroupIDs, i.GroupID)
	}
	switch i.Kind {
	case fleet.KindRedis:
		c.Also = append(c.Also, i.Addr)
		c.RunsMaster = c.RunsMaster || i.State == fleet.Running && i.Redis != nil && i.Redis.Role == fleet.RoleMaster
		if i.Dataset != nil && i.Dataset.Present {
			c.Dataset = *i.Dataset
		}
	case fleet.KindSentinel:
		if i.Sentinel != nil && i.Sentinel.Master != (fleet.Addr{}) {
			c.State = stateOf(i.Sentinel)
		}
	}
}

func stateOf(s *fleet.SentinelReport) *SentinelState {
	out := &SentinelState{Master: s.Master, Epoch: s.ConfigEpoch}
	for _, r := range s.Replicas {
		out.Replicas = append(out.Replicas, r.Addr)
	}
	return out
}

// outReason says why a node does not take part yet. A node whose agent is gone
// may hold the newest data: the election waits for it and never decides around
// it.
func outReason(g fleet.GroupSpec, node string, r fleet.ReportRecord, found bool) string {
	switch {
	case !found:
		return "no agent has reported"
	case r.Problem != "":
		return "its report cannot be read: " + r.Problem
	case !r.Alive:
		return "its agent is gone"
	case r.Report.Problem != "":
		return r.Report.Problem
	case r.Report.Address == "":
		return "its report names no address"
	}
	if !slices.Contains(g.Nodes, node) {
		return ""
	}
	return engineProblem(g.Engine, r.Report.Engines)
}

func engineProblem(name string, engines []fleet.EngineReport) string {
	for _, e := range engines {
		if e.Name == name {
			return e.Problem
		}
	}
	if len(engines) > 0 {
		return fmt.Sprintf("%s is not installed", name)
	}
	return ""
}

// is tells whether addr means the candidate's server.
func (c Candidate) is(addr fleet.Addr) bool {
	return addr.Host != "" && (addr == c.Addr || slices.Contains(c.Also, addr))
}
