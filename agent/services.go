package agent

import (
	"fmt"
	"time"

	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/agent/publish"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
)

// The tags of a group's service, so that master.<service>.service.consul leads
// to the master.
const (
	tagMaster   = "master"
	tagReplica  = "replica"
	tagSentinel = "sentinel"
)

const (
	checkEvery   = 2 * time.Second
	checkTimeout = time.Second
	// checkFailures lets an agent restart or be upgraded unseen (docs/design.md).
	checkFailures = 3
)

// services gives the Consul services of the node's instances, and tells the
// role checks what is true.
func (a *agent) services(seen map[fleet.InstanceID]observe.Seen, reasons map[fleet.InstanceID]string) []publish.Service {
	if a.goal == nil {
		return nil
	}
	tags, said := map[fleet.InstanceID]string{}, map[fleet.InstanceID]string{}
	var out []publish.Service
	for _, g := range a.goal.Instances {
		s := seen[g.ID]
		if s.Facts.Identity == "" || g.Assigned != fleet.Running {
			continue // nothing was installed yet, or the node left the group
		}
		tag, serves := a.tagOf(g, s, seen)
		if serves {
			tags[g.ID] = tag
		} else {
			said[g.ID] = firstOf(s.Answer, reasons[g.ID], "it does not serve")
		}
		out = append(out, publish.Service{Service: a.service(g, tag, serves), Serves: serves})
	}
	a.roles.set(tags, said)
	return out
}

// tagOf gives an instance's tag and whether it serves as that.
func (a *agent) tagOf(g fleet.InstanceGoal, s observe.Seen, seen map[fleet.InstanceID]observe.Seen) (string, bool) {
	switch {
	case g.Kind == fleet.KindSentinel:
		return tagSentinel, s.Sentinel != nil
	case s.Info == nil || s.Info.Loading:
		return "", false
	case s.Info.Role == fleet.RoleReplica:
		return tagReplica, true
	case a.deposed(g, seen):
		return "", true // without a tag nobody is led to it, and its check stays passing
	default:
		return tagMaster, true
	}
}

// deposed: this node's own sentinel already names another master, so a server
// that still says master must not be found as one.
func (a *agent) deposed(g fleet.InstanceGoal, seen map[fleet.InstanceID]observe.Seen) bool {
	for _, other := range a.goal.Instances {
		if other.Group != g.Group || other.Kind != fleet.KindSentinel {
			continue
		}
		if s := seen[other.ID].Sentinel; s != nil && s.Report.Master != (fleet.Addr{}) && s.Report.Master != g.Addr {
			return !a.vouchedFor(g, s.Report.Master)
		}
	}
	return false
}

// service vouches for one that serves before Consul's first check of it, as roles
// would answer that.
func (a *agent) service(g fleet.InstanceGoal, tag string, serves bool) consul.Service {
	s := consul.Service{
		ID: fmt.Sprintf("%s-%s-%s", a.cfg.Fleet, a.cfg.Node, g.ID), Name: g.Service, Addr: g.Addr,
		Meta: map[string]string{"fleet": a.cfg.Fleet, "group": g.Group, "node": a.cfg.Node, "kind": string(g.Kind)},
		Check: &consul.Check{
			HTTP:     fmt.Sprintf("http://%s/role/%s?tag=%s", a.cfg.HTTP, g.ID, tag),
			Interval: checkEvery, Timeout: checkTimeout, FailuresBeforeCritical: checkFailures, Status: "critical",
		},
	}
	if serves {
		s.Check.Status = "passing"
	}
	if tag != "" {
		s.Tags = []string{tag}
	}
	return s
}
