package rebuild

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

// group makes a group's record, its secret and its part of the spec.
func (p *Plan) group(f Found, w fleet.World, name string) {
	id, ok := p.groupID(name)
	if !ok {
		return
	}
	newest, version := newestOf(p.Goals, name)
	if newest.Group == "" { // whose members nobody names, and so nobody would be missed (simulation, seed 168)
		p.refuse("group %s: only nodes that left it offer what they keep; bring back the agent of a node that is in it, or remove what they offer if the group is gone for good", name)
		return
	}
	rec := fleet.Group{
		Format: fleet.Format, ID: id, Name: name, Topology: newest.Topology, Since: f.Now, CredentialsVersion: version,
		Decision: fleet.Decision{Rule: Rule}, Phase: fleet.PhaseServing, WriteProved: true,
	}
	if s := newest.Seed; s != nil { // it was forming, and goes on with that
		rec.Phase, rec.WriteProved, rec.Probe = fleet.PhaseStarting, false, s.Probe
		rec.Fresh, rec.Written = s.Fresh, s.Written
		rec.Decision.Master, rec.Decision.Node = s.Master, serverAt(newest, s.Master)
		rec.Decision.Reason = "the goals of its nodes name it as the elected master of a group that was forming"
	}
	made := plan.AsMade(w, fleet.GroupSpec{Name: name}, rec)
	rec.Members = membership(p.Control.Committed, p.Goals, made)
	rec.Adopted = adoption(p.Goals, name)
	p.Groups = append(p.Groups, rec)
	p.Spec.Fleet.Name = f.Fleet
	p.Spec.Groups = append(p.Spec.Groups, made)
	p.Spec = p.Spec.WithDefaults()
	p.secret(f, rec)
}

// groupID is the one identity that all goals give the group.
func (p *Plan) groupID(name string) (string, bool) {
	nodes := map[string][]string{}
	for _, goal := range p.Goals {
		for _, i := range goal.Instances {
			if i.Group == name && !slices.Contains(nodes[i.GroupID], goal.Node) {
				nodes[i.GroupID] = append(nodes[i.GroupID], goal.Node)
			}
		}
	}
	ids := sorted(nodes)
	if len(ids) == 1 {
		return ids[0], true
	}
	var told []string
	for _, id := range ids {
		told = append(told, fmt.Sprintf("%s (%s)", id, strings.Join(nodes[id], ", ")))
	}
	p.refuse("group %s has several identities: %s; stop the agents of the nodes that do not belong to it and remove their recovery records",
		name, strings.Join(told, ", "))
	return "", false
}

// membership is the record of members that were changed: nil unless a goal tells of a
// change, or a node offers instances of the group and is no member by the newest goal.
// It left: its goal keeps them down, or had not reached it yet when Consul was lost
// (simulation, seed 423). Without that record nothing would keep them down, and the
// sentinels would not be asked to forget who left and offers nothing (hazard S4; seeds
// 789 and 952). The change keeps its number: the next one must be a newer one to the
// agents. Nothing in it is of this look: a second one, before it is written, has to find
// the same.
func membership(committed uint64, goals []fleet.Goal, made fleet.GroupSpec) *fleet.Membership {
	var retired []string
	change := 0
	for _, goal := range goals {
		there := false
		for _, i := range goal.Instances {
			if i.Group == made.Name {
				there, change = true, max(change, i.Change)
			}
		}
		if there && !slices.Contains(slices.Concat(made.Nodes, made.Sentinel.Nodes), goal.Node) {
			retired = append(retired, goal.Node)
		}
	}
	if len(retired) == 0 && change == 0 {
		return nil
	}
	return &fleet.Membership{
		Change: change, Request: fmt.Sprintf("recovered-at-%d", committed),
		Servers: slices.Clone(made.Nodes), Sentinels: slices.Clone(made.Sentinel.Nodes), Quorum: made.Sentinel.Quorum,
		Retired: retired, Rebuilt: true,
	}
}

// newestOf is the instance of the group in the goal with the highest epoch, and the
// highest version of its password that any goal names.
func newestOf(goals []fleet.Goal, name string) (newest fleet.InstanceGoal, version int) {
	var epoch uint64
	for _, goal := range goals {
		for _, i := range goal.Instances {
			if i.Group != name || i.Assigned != fleet.Running {
				continue
			}
			version = max(version, i.SecretVersion)
			if newest.Group == "" || goal.Epoch > epoch {
				newest, epoch = i, goal.Epoch
			}
		}
	}
	return newest, version
}

// secret takes the newest sealed password that any node keeps.
func (p *Plan) secret(f Found, rec fleet.Group) {
	var best fleet.Secret
	var of string
	for _, node := range sorted(f.Offers) {
		for _, s := range f.Offers[node].Secrets {
			switch {
			case s.Group != rec.Name || s.GroupID != rec.ID:
			case s.Version > best.Version:
				best, of = s, node
			case s.Version == best.Version && s.Sealed != best.Sealed:
				p.refuse("group %s: %s and %s keep different passwords of the same version %d; remove the wrong node's recovery record",
					rec.Name, of, node, s.Version)
			}
		}
	}
	switch {
	case best.Version == 0:
		p.refuse("group %s: none of its nodes keeps its sealed password, and without it nobody could be let in; bring back a node of the group that has it", rec.Name)
	case best.Version < rec.CredentialsVersion:
		p.refuse("group %s: the newest sealed password is version %d (%s), its goals name version %d; bring back a node of the group that has it",
			rec.Name, best.Version, of, rec.CredentialsVersion)
	default:
		p.Secrets = append(p.Secrets, best)
	}
}

// masters notes who is master now, as reports and sentinels tell it. It decides
// nothing: the sentinels know (promise sentinel-owns-master).
func (p *Plan) masters(w fleet.World) {
	w.Spec = &fleet.SpecRecord{Format: fleet.Format, Spec: p.Spec}
	w.Groups = map[string]fleet.Group{}
	for _, g := range p.Groups {
		w.Groups[g.Name] = g
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		if a := assess.Group(w, g.Name); a.Master != nil {
			p.Masters[g.Name] = *a.Master
		}
		if g.Decision.Reason != "" {
			continue
		}
		g.Decision.Reason = "the records were rebuilt from what the agents keep; nobody could say who is master"
		if m, seen := p.Masters[g.Name]; seen {
			g.Decision.Master, g.Decision.Node = m.Addr, m.Node
			g.Decision.Reason = "the records were rebuilt from what the agents keep; it was the master then"
		}
	}
}

func serverAt(g fleet.InstanceGoal, addr fleet.Addr) string {
	for _, m := range g.Servers {
		if m.Addr == addr {
			return m.Node
		}
	}
	return ""
}

// groupOrder gives the groups in the order of the spec that the goals were made
// from, as far as goals tell it: each has its groups in that order. Another order
// would make every goal a new one. Where nothing tells, names decide.
func groupOrder(goals []fleet.Goal) []string {
	before := map[string]map[string]bool{}
	for _, goal := range goals {
		var seen []string
		for _, i := range goal.Instances {
			if before[i.Group] == nil {
				before[i.Group] = map[string]bool{}
			}
			if !slices.Contains(seen, i.Group) {
				for _, earlier := range seen {
					before[i.Group][earlier] = true
				}
				seen = append(seen, i.Group)
			}
		}
	}
	var out []string
	left := sorted(before)
	for len(left) > 0 {
		next := slices.MinFunc(left, func(a, b string) int {
			return cmp.Or(cmp.Compare(waits(before[a], left), waits(before[b], left)), cmp.Compare(a, b))
		})
		out = append(out, next)
		left = slices.DeleteFunc(left, func(name string) bool { return name == next })
	}
	return out
}

// waits counts the groups that come earlier and are not placed yet.
func waits(earlier map[string]bool, left []string) int {
	n := 0
	for _, name := range left {
		if earlier[name] {
			n++
		}
	}
	return n
}
