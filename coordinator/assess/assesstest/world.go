// Package assesstest builds healthy fleets for tests: records and reports as
// they stand when a group serves and every check of verify holds. A test then
// breaks one thing.
package assesstest

import (
	"fmt"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// The names and values that every world here uses.
const (
	Fleet   = "shop"
	FleetID = "fleet-1"
	Group   = "main"
	GroupID = "group-1"
	Probe   = "probe-1"
	ReplID  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	Epoch   = 3
	// Age is how old every report is.
	Age = 10 * time.Second
)

// Now is the moment at which the world was read.
func Now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// Address is where a node is reached: n1 at 10.0.0.1, n2 at 10.0.0.2 …
func Address(node string) string { return "10.0.0." + node[1:] }

// Server is the address of a node's redis-server.
func Server(node string) fleet.Addr { return fleet.Addr{Host: Address(node), Port: fleet.DefaultPort} }

// SentinelAddr is the address of a node's sentinel.
func SentinelAddr(node string) fleet.Addr {
	return fleet.Addr{Host: Address(node), Port: fleet.DefaultSentinelPort}
}

// MyID is the id of a node's sentinel.
func MyID(node string) string { return strings.Repeat("0", 41-len(node)) + node[1:] }

// ServerID and SentinelID are the instances' ids on every node.
func ServerID() fleet.InstanceID {
	return fleet.NewInstanceID(fleet.KindRedis, Group, fleet.DefaultPort)
}

// SentinelID is the id of the sentinel instance on every node.
func SentinelID() fleet.InstanceID {
	return fleet.NewInstanceID(fleet.KindSentinel, Group, fleet.DefaultSentinelPort)
}

// Healthy is a serving group on n1 … n<nodes> whose master is n1, with its
// catalog entries.
func Healthy(topology fleet.Topology, nodes int) fleet.World {
	b := builder{topology: topology}
	for i := range nodes {
		b.nodes = append(b.nodes, fmt.Sprintf("n%d", i+1))
	}
	return b.world()
}

// Fresh is the same fleet before its election: the spec, and agents that report
// nothing but themselves.
func Fresh(topology fleet.Topology, nodes int) fleet.World {
	w := Healthy(topology, nodes)
	w.Control, w.Groups, w.Goals, w.Services = nil, map[string]fleet.Group{}, map[string]fleet.Goal{}, nil
	for node := range w.Reports {
		Edit(w, node, func(r *fleet.ReportRecord) {
			r.Report.FleetID, r.Report.Epoch, r.Report.Instances = "", 0, nil
		})
	}
	return w
}

// Edit changes a node's report in w.
func Edit(w fleet.World, node string, change func(*fleet.ReportRecord)) {
	r := w.Reports[node]
	change(&r)
	w.Reports[node] = r
}

// EditGroup changes the group's record in w.
func EditGroup(w fleet.World, change func(*fleet.Group)) {
	g := w.Groups[Group]
	change(&g)
	w.Groups[Group] = g
}

// Redis is a node's redis-server in w, to be changed in place.
func Redis(w fleet.World, node string) *fleet.InstanceReport { return instance(w, node, ServerID()) }

// SentinelOn is a node's sentinel in w, to be changed in place.
func SentinelOn(w fleet.World, node string) *fleet.InstanceReport {
	return instance(w, node, SentinelID())
}

// instance needs the node to report it, as it does in a healthy world.
func instance(w fleet.World, node string, id fleet.InstanceID) *fleet.InstanceReport {
	r := w.Reports[node].Report
	return r.Instance(id)
}

// Seen is an entry of a sentinel's list, to be changed in place; nil when it has
// none with that address.
func Seen(list []fleet.SeenInstance, addr fleet.Addr) *fleet.SeenInstance {
	for i := range list {
		if list[i].Addr == addr {
			return &list[i]
		}
	}
	return nil
}

// Critical makes the catalog entries of an address fail their check.
func Critical(w fleet.World, addr fleet.Addr) {
	for i := range w.Services {
		if w.Services[i].Addr == addr {
			w.Services[i].Passing = false
		}
	}
}

// Kill shows what is seen a while after the machine of a node lost its power:
// its last report stays, and its peers reported 5 s ago that they do not reach
// it any more.
func Kill(w fleet.World, dead string) {
	Critical(w, Server(dead))
	Critical(w, SentinelAddr(dead))
	for node := range w.Reports {
		if node == dead {
			continue
		}
		Edit(w, node, func(r *fleet.ReportRecord) { r.Report.At = Now().Add(-5 * time.Second) })
		if s := SentinelOn(w, node); s != nil {
			lose(s.Sentinel, dead)
		}
		r := Redis(w, node).Redis
		if r.Master == Server(dead) {
			r.Link = "down"
		}
		r.Replicas = without(r.Replicas, Server(dead))
	}
}

func lose(s *fleet.SentinelReport, dead string) {
	if s.Master == Server(dead) {
		s.MasterFlags = "master,s_down,o_down,disconnected"
	}
	if r := Seen(s.Replicas, Server(dead)); r != nil {
		r.Flags, r.Promotable = "s_down,slave,disconnected", false
	}
	if p := Seen(s.Peers, SentinelAddr(dead)); p != nil {
		p.Flags = "s_down,sentinel,disconnected"
	}
}

func without(list []fleet.Addr, addr fleet.Addr) []fleet.Addr {
	var out []fleet.Addr
	for _, a := range list {
		if a != addr {
			out = append(out, a)
		}
	}
	return out
}

// Promote shows a finished failover: a node is master, the others that live
// follow it, and every sentinel that lives names it.
func Promote(w fleet.World, next string, dead ...string) {
	gone := map[string]bool{}
	for _, d := range dead {
		gone[d] = true
	}
	retag(w, next)
	for node := range w.Reports {
		if gone[node] {
			continue
		}
		Edit(w, node, func(r *fleet.ReportRecord) { r.Report.At = Now().Add(-4 * time.Second) })
		if s := SentinelOn(w, node); s != nil {
			s.Sentinel.Master, s.Sentinel.MasterFlags = Server(next), "master"
			s.Sentinel.ConfigEpoch++
			s.Sentinel.Replicas = replicaEntries(w, next, gone)
		}
		follow(w, node, next, gone)
	}
}

// retag moves the master's tag to the new master's entry.
func retag(w fleet.World, next string) {
	for i, e := range w.Services {
		switch {
		case e.Addr.Port != fleet.DefaultPort:
		case e.Addr == Server(next):
			w.Services[i].Tags = []string{string(fleet.RoleMaster)}
		default:
			w.Services[i].Tags = []string{string(fleet.RoleReplica)}
		}
	}
}

func replicaEntries(w fleet.World, master string, gone map[string]bool) []fleet.SeenInstance {
	var out []fleet.SeenInstance
	for node := range w.Reports {
		if node == master {
			continue
		}
		seen := fleet.SeenInstance{Addr: Server(node), Flags: "slave", Reached: true, Promotable: true, Priority: 100}
		if gone[node] {
			seen.Flags, seen.Promotable = "s_down,slave,disconnected", false
		}
		out = append(out, seen)
	}
	return out
}

func follow(w fleet.World, node, next string, gone map[string]bool) {
	r := Redis(w, node).Redis
	if node != next {
		r.Role, r.Master, r.Link, r.Replicas = fleet.RoleReplica, Server(next), "up", nil
		return
	}
	r.Role, r.Master, r.Link, r.Replicas = fleet.RoleMaster, fleet.Addr{}, "", nil
	for other := range w.Reports {
		if other != next && !gone[other] {
			r.Replicas = append(r.Replicas, Server(other))
		}
	}
}
