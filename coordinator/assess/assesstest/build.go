package assesstest

import (
	"github.com/redfleet/redfleet/internal/fleet"
)

// builder makes the records of one healthy fleet.
type builder struct {
	topology fleet.Topology
	nodes    []string
}

func (b builder) world() fleet.World {
	spec := fleet.Spec{
		Fleet:  fleet.FleetSpec{Name: Fleet},
		Groups: []fleet.GroupSpec{{Name: Group, Topology: b.topology, Nodes: b.nodes}},
	}.WithDefaults()
	w := fleet.World{
		Now:     Now(),
		Spec:    &fleet.SpecRecord{Format: fleet.Format, Spec: spec},
		Control: &fleet.Control{Format: fleet.Format, FleetID: FleetID, Committed: Epoch},
		Groups:  map[string]fleet.Group{Group: b.group()},
		Goals:   map[string]fleet.Goal{},
		Reports: map[string]fleet.ReportRecord{},

		Problems: map[string]string{},
	}
	for _, node := range b.nodes {
		w.Goals[node] = b.goal(node)
		w.Reports[node] = fleet.ReportRecord{Report: b.report(node), Alive: true}
		w.Services = append(w.Services, b.entries(node)...)
	}
	return w
}

func (b builder) group() fleet.Group {
	return fleet.Group{
		Format: fleet.Format, ID: GroupID, Name: Group, Topology: b.topology,
		Decision: fleet.Decision{Master: Server("n1"), Node: "n1", Rule: "name"},
		Phase:    fleet.PhaseServing, CredentialsVersion: 1, WriteProved: true,
	}
}

func (b builder) goal(node string) fleet.Goal {
	inst := fleet.InstanceGoal{
		ID: ServerID(), Group: Group, GroupID: GroupID, Kind: fleet.KindRedis, Topology: b.topology,
		Assigned: fleet.Running, Addr: Server(node), SecretVersion: 1,
	}
	for _, n := range b.nodes {
		inst.Servers = append(inst.Servers, fleet.Member{Node: n, Addr: Server(n)})
		if b.topology == fleet.Sentinel {
			inst.Sentinels = append(inst.Sentinels, fleet.Member{Node: n, Addr: SentinelAddr(n), ID: MyID(n)})
		}
	}
	g := fleet.Goal{Format: fleet.Format, FleetID: FleetID, Node: node, Epoch: Epoch, Instances: []fleet.InstanceGoal{inst}}
	if b.topology == fleet.Sentinel {
		inst.ID, inst.Kind, inst.Addr = SentinelID(), fleet.KindSentinel, SentinelAddr(node)
		g.Instances = append(g.Instances, inst)
	}
	return g
}

func (b builder) report(node string) fleet.Report {
	r := fleet.Report{
		Format: fleet.Format, Node: node, Agent: "agent-" + node, Boot: "boot-" + node, MachineID: "machine-" + node,
		Address: Address(node), At: Now().Add(-Age), FleetID: FleetID, Epoch: Epoch, Priority: 100,
		Engines:   []fleet.EngineReport{{Name: fleet.EngineRedis, Version: "7.0.15"}},
		Instances: []fleet.InstanceReport{b.server(node)},
	}
	if b.topology == fleet.Sentinel {
		r.Instances = append(r.Instances, b.sentinel(node))
	}
	return r
}

func (b builder) server(node string) fleet.InstanceReport {
	r := &fleet.RedisReport{
		Version: "7.0.15", Role: fleet.RoleReplica, ReplID: ReplID, Master: Server("n1"), Link: "up",
		ReplicaPriority: 100, ReadOnly: true, PasswordOK: true, MasterAuthOK: true,
	}
	if node == "n1" {
		r.Role, r.Master, r.Link = fleet.RoleMaster, fleet.Addr{}, ""
	}
	for _, n := range b.nodes {
		if n == node {
			continue
		}
		r.Peers = append(r.Peers, fleet.PeerProbe{Addr: Server(n)})
		if node == "n1" {
			r.Replicas = append(r.Replicas, Server(n))
		}
	}
	return fleet.InstanceReport{
		ID: ServerID(), Group: Group, GroupID: GroupID, Kind: fleet.KindRedis, Addr: Server(node), State: fleet.Running,
		Unit: fleet.UnitStatus{State: fleet.UnitActive, PID: 1}, SecretVersion: 1, Redis: r,
		Dataset: &fleet.Dataset{Present: true, ReplID: ReplID},
	}
}

func (b builder) sentinel(node string) fleet.InstanceReport {
	s := &fleet.SentinelReport{
		Version: "7.0.15", MyID: MyID(node), Monitored: []string{Group}, Master: Server("n1"), MasterFlags: "master",
		Quorum: fleet.Majority(len(b.nodes)), Usable: len(b.nodes), PasswordOK: true,
	}
	for _, n := range b.nodes {
		if n != node {
			s.Peers = append(s.Peers, fleet.SeenInstance{Addr: SentinelAddr(n), ID: MyID(n), Flags: "sentinel", Reached: true})
		}
		if n != "n1" {
			s.Replicas = append(s.Replicas, fleet.SeenInstance{Addr: Server(n), Flags: "slave", Reached: true, Promotable: true, Priority: 100})
		}
	}
	return fleet.InstanceReport{
		ID: SentinelID(), Group: Group, GroupID: GroupID, Kind: fleet.KindSentinel, Addr: SentinelAddr(node), State: fleet.Running,
		Unit: fleet.UnitStatus{State: fleet.UnitActive, PID: 2}, SecretVersion: 1, Sentinel: s,
	}
}

func (b builder) entries(node string) []fleet.ServiceEntry {
	role := string(fleet.RoleReplica)
	if node == "n1" {
		role = string(fleet.RoleMaster)
	}
	service := Fleet + "-" + Group
	out := []fleet.ServiceEntry{{Service: service, ID: string(ServerID()) + "-" + node, Addr: Server(node), Tags: []string{role}, Passing: true}}
	if b.topology == fleet.Sentinel {
		out = append(out, fleet.ServiceEntry{Service: service, ID: string(SentinelID()) + "-" + node,
			Addr: SentinelAddr(node), Tags: []string{"sentinel"}, Passing: true})
	}
	return out
}
