package assess

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

const (
	// oldestReport is how old a live agent's report can be: it writes at least
	// every 90 s, and may have to try again while Consul is out.
	oldestReport = 4 * time.Minute
	// clockAhead is how far a node's clock may run ahead of the reader's.
	clockAhead = 30 * time.Second
)

// checkReports: every node of the group is there, belongs to this fleet, and
// Consul's records are not older than what the nodes have done already.
func (v *view) checkReports(f *finding) {
	f.want = "a live report of this fleet from each of " + strings.Join(v.nodes(), ", ")
	f.seen = count(len(v.nodes()), "node") + " reporting"
	if v.rec != nil && v.w.Control == nil {
		f.fail("Consul has no control record of the fleet")
	}
	for _, node := range v.nodes() {
		here := v.on(node)
		f.rest(here...)
		if trouble := v.reportTrouble(here[0]); trouble != "" {
			f.fail(node+":", trouble)
			continue
		}
		for _, m := range here {
			if m.inst != nil && v.rec != nil && m.inst.GroupID != "" && m.inst.GroupID != v.rec.ID {
				f.fail(fmt.Sprintf("%s: %s carries the identity of group %s, Consul's record has %s",
					node, m.id, m.inst.GroupID, v.rec.ID))
			}
		}
	}
}

// reportTrouble says what is wrong with a node's report; empty when it is good.
func (v *view) reportTrouble(m *member) string {
	r := m.rec.Report
	age := v.w.Now.Sub(r.At)
	switch {
	case !m.found:
		return "no agent has reported"
	case m.rec.Problem != "":
		return "its report cannot be read: " + m.rec.Problem
	case !m.rec.Alive:
		return "its agent is gone, the last report is " + ago(age)
	case r.Problem != "":
		return r.Problem
	case age > oldestReport:
		return "its agent is connected, but its report is " + ago(age) + ": look at the agent, or at the clocks"
	case -age > clockAhead:
		return "its clock is " + span(-age) + " ahead of this machine's"
	}
	return v.fleetTrouble(r)
}

func (v *view) fleetTrouble(r fleet.Report) string {
	control := v.w.Control
	switch {
	case control == nil:
		return ""
	case r.FleetID == "" && v.rec != nil:
		return "it has not taken a goal of this fleet yet"
	case r.FleetID != "" && r.FleetID != control.FleetID:
		return fmt.Sprintf("it belongs to fleet %s, Consul's records to fleet %s", r.FleetID, control.FleetID)
	case r.Epoch > control.Committed:
		return fmt.Sprintf("it has followed goals up to epoch %d, Consul's records end at %d: "+
			"Consul was restored from an older snapshot", r.Epoch, control.Committed)
	}
	return ""
}

// checkInstances: everything that the spec asks for runs.
func (v *view) checkInstances(f *finding) {
	all := slices.Concat(v.servers, v.sentinels)
	f.want = "each server and sentinel running"
	f.seen = fmt.Sprintf("%s running", count(len(all), "instance"))
	for _, m := range all {
		f.rest(m)
		switch {
		case !m.up:
			f.fail(fmt.Sprintf("%s on %s %s", m.id, m.node, m.whyDown()))
		case m.inst.Unit.Stopping:
			f.fail(fmt.Sprintf("%s on %s was told to stop and has not ended%s", m.id, m.node, because(m.whyNotEnded())))
		case m.inst.Reason != "":
			f.fail(fmt.Sprintf("%s on %s runs, but its agent leaves it alone%s", m.id, m.node, because(m.inst.Reason)))
		}
	}
}

// whyNotEnded: Redis refuses to end while it cannot write its data (hazard D2).
func (m *member) whyNotEnded() string {
	if r := m.inst.Redis; r != nil && (r.AOFError || r.SaveError) {
		return "it refuses to, since it cannot write its data: " + lookAtDisk
	}
	return ""
}

// whyDown is the predicate of a sentence about an instance that is not up.
func (m *member) whyDown() string {
	switch {
	case m.gone != "":
		return "is gone (" + m.gone + ")"
	case m.inst == nil:
		return "is not reported"
	case m.inst.State == fleet.Running:
		return "runs but does not answer" + because(m.inst.Reason)
	}
	return "is " + string(m.inst.State) + because(m.inst.Reason)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// roleTags are the tags by which a client finds an instance.
var roleTags = [...]string{"master", "replica", "sentinel"}

// checkServices: what Consul tells clients is what is.
func (v *view) checkServices(f *finding) {
	f.want = "each instance registered once as " + v.g.Service + " with its role as tag, checks passing"
	all := slices.Concat(v.servers, v.sentinels)
	f.seen = count(len(all), "entry") + " right"
	f.rest(all...)
	entries := slices.DeleteFunc(slices.Clone(v.w.Services), func(e fleet.ServiceEntry) bool { return e.Service != v.g.Service })
	for _, m := range all {
		own := slices.DeleteFunc(slices.Clone(entries), func(e fleet.ServiceEntry) bool { return !m.meantBy(e.Addr) })
		entries = slices.DeleteFunc(entries, func(e fleet.ServiceEntry) bool { return m.meantBy(e.Addr) })
		if m.up {
			checkEntry(f, m, v.roleTag(m), own)
		} else if slices.ContainsFunc(own, func(e fleet.ServiceEntry) bool { return e.Passing }) {
			f.fail(string(m.id), "on", m.node, "is not running, yet its check passes")
		}
	}
	for _, e := range entries {
		// One whose check fails leads no client anywhere: a machine that left the
		// group without a word stays in the catalog, as failing, for days.
		if e.Passing {
			f.fail(fmt.Sprintf("%s at %s is no instance of the group", e.ID, e.Addr))
		}
	}
}

// meantBy: a catalog entry may carry the node's address where the group
// announces names.
func (m *member) meantBy(addr fleet.Addr) bool {
	return addr == m.addr || addr == (fleet.Addr{Host: m.rec.Report.Address, Port: m.addr.Port})
}

// roleTag is the tag that an instance that is up should have: only the one that
// takes the group's writes is "master", whatever a second one says.
func (v *view) roleTag(m *member) string {
	switch {
	case m.kind == fleet.KindSentinel:
		return string(fleet.KindSentinel)
	case v.master == nil:
		return string(m.inst.Redis.Role)
	case m == v.master:
		return string(fleet.RoleMaster)
	}
	return string(fleet.RoleReplica)
}

func checkEntry(f *finding, m *member, want string, own []fleet.ServiceEntry) {
	label := string(m.id) + " on " + m.node
	switch {
	case len(own) == 0:
		f.fail(label, "is not registered")
		return
	case len(own) > 1:
		f.fail(label, "is registered", fmt.Sprint(len(own)), "times")
		return
	}
	var tags []string
	for _, t := range roleTags {
		if slices.Contains(own[0].Tags, t) {
			tags = append(tags, t)
		}
	}
	if !slices.Equal(tags, []string{want}) {
		f.fail(label, "is tagged", orNothing(strings.Join(tags, " and "))+",", "not", want)
	}
	if !own[0].Passing {
		f.fail(label, "is critical")
	}
}

func orNothing(s string) string {
	if s == "" {
		return "without a role"
	}
	return s
}
