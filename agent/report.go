package agent

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/internal/fleet"
)

// leastLag is the lag below which a replica counts as abreast.
const leastLag = 64 << 10

// publish hands the newest facts to the publisher and to the role checks.
func (a *agent) publish(seen map[fleet.InstanceID]observe.Seen, reasons map[fleet.InstanceID]string) {
	r := fleet.Report{
		Format: fleet.Format, Node: a.cfg.Node, Agent: a.node.Agent, Boot: a.boot, MachineID: a.outside.MachineID,
		Address: a.cfg.Address, Hostname: a.cfg.AnnounceHostname, FleetID: a.node.FleetID, Epoch: a.node.Epoch,
		Problem: a.problem, Zone: a.cfg.Zone, Labels: a.cfg.Labels, Priority: a.cfg.Priority, Engines: a.engines,
	}
	assigned := map[fleet.InstanceID]bool{}
	if a.goal != nil {
		for _, g := range a.goal.Instances {
			assigned[g.ID] = true
			r.Instances = append(r.Instances, a.instanceReport(g, seen[g.ID], reasons[g.ID]))
		}
	}
	a.notify.Status(statusLine(r, len(assigned)))
	r.Instances = append(r.Instances, a.leftovers(assigned)...)
	r.Foreign = a.foreign.but(a.goal)
	a.pub.Offer(a.recovery())
	a.pub.Publish(r, a.services(seen, reasons))
}

func (a *agent) instanceReport(g fleet.InstanceGoal, s observe.Seen, reason string) fleet.InstanceReport {
	r := fleet.InstanceReport{
		ID: g.ID, Group: g.Group, GroupID: s.Facts.Identity, Kind: g.Kind, Addr: g.Addr,
		State: converge.StateOf(g.Kind, s.Facts), Unit: s.Facts.Unit, SecretVersion: a.passwords[g.GroupID].version,
		Reason: firstOf(a.failed[g.ID].text, s.Facts.Problem, reason, s.Answer), Retired: converge.Retired(&g, s.Facts),
	}
	if r.Moved = g.Adopted != nil && !s.Unmoved; s.Unmoved {
		r.Under = g.Adopted.Unit
	}
	if r.State == fleet.Running {
		r.Reason = s.Facts.Problem // a file that cannot be read: the next start would be refused
	}
	switch {
	case s.Info != nil:
		r.Redis = redisReport(s)
		r.Dataset = &fleet.Dataset{Present: keys(s) > 0, ReplID: s.Info.ReplID}
	case s.Sentinel != nil:
		rep := s.Sentinel.Report
		rep.Forgot = s.Facts.Memory.Forgot
		r.Sentinel = &rep
	case g.Kind == fleet.KindRedis:
		data := s.Facts.Disk.Dataset
		r.Dataset = &data
	}
	return r
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func redisReport(s observe.Seen) *fleet.RedisReport {
	i := s.Info
	r := &fleet.RedisReport{
		Version: i.Version, Role: i.Role, ReplID: i.ReplID, Master: i.Master, ReplicaPriority: i.ReplicaPriority,
		ReadOnly: i.ReplicaReadOnly, Loading: i.Loading, RewriteError: s.RewriteError, PasswordOK: i.PasswordOK,
		MasterAuthOK: i.MasterAuthOK, Peers: s.Probes, ProbeSeen: s.ProbeSeen, WriteRefused: s.WriteRefused, Drift: s.Drift,
	}
	r.AOFError, r.SaveError = i.AOF && !i.AOFOK, !i.SaveOK
	if i.Role == fleet.RoleMaster {
		r.MinReplicas, r.GoodReplicas = i.MinReplicas, i.GoodReplicas
	}
	if i.Role == fleet.RoleReplica {
		r.Link = "down"
		if i.LinkUp {
			r.Link = "up"
		}
	}
	for _, rep := range i.Replicas {
		if rep.State != "online" {
			continue
		}
		r.Replicas = append(r.Replicas, rep.Addr)
		if lag := roundLag(rep.LagBytes); lag > 0 {
			if r.Behind == nil {
				r.Behind = map[string]int64{}
			}
			r.Behind[rep.Addr.String()] = lag
		}
	}
	slices.SortFunc(r.Replicas, func(a, b fleet.Addr) int { return strings.Compare(a.String(), b.String()) })
	return r
}

// roundLag rounds up to a power of two, and to 0 below leastLag.
func roundLag(n int64) int64 {
	if n < leastLag {
		return 0
	}
	return 1 << bits.Len64(uint64(n-1))
}
