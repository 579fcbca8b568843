package assess

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/coordinator/elect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// aside are the checks that verify shows and that do not make a group degraded:
// it serves as well, and not every reader of the records has read the catalog.
func aside(name string) bool {
	return name == CheckServices || name == CheckDrift || name == CheckSpread
}

// state is the verdict with its reason, one sentence for an operator.
func (v *view) state(checks []fleet.Check) (fleet.GroupState, string) {
	if v.rec == nil {
		return v.unformed()
	}
	switch v.rec.Phase {
	case fleet.PhaseServing:
		return v.formed(checks)
	case fleet.PhaseStarting:
		if waiting := v.notUp(); len(waiting) > 0 {
			return fleet.GroupStarting, "waiting for " + list(waiting) + "."
		}
	case fleet.PhaseVerifying:
	}
	missing := failing(checks, func(name string) bool { return name == CheckServices })
	if len(missing) == 0 {
		return fleet.GroupVerifying, "every check holds; the coordinator is about to record it."
	}
	return fleet.GroupVerifying, summary(missing)
}

func (v *view) notUp() []string {
	down := filter(slices.Concat(v.servers, v.sentinels), func(m *member) bool { return !m.up })
	out := make([]string, len(down))
	for i, m := range down {
		out[i] = string(m.id) + " on " + m.node
		if m.inst != nil {
			out[i] += because(m.inst.Reason)
		}
	}
	return out
}

// unformed is a group without a record: it forms, or its record was lost.
func (v *view) unformed() (fleet.GroupState, string) {
	if lost := v.lostRecord(); lost != "" {
		return v.servesStill(), lost
	}
	if marks, adopted := v.w.Spec.Adopt[v.g.Name]; adopted {
		return v.adopting(marks)
	}
	d, err := elect.Initial(v.g, elect.Candidates(v.g, v.w.Reports), v.w.Spec.InitialMaster[v.g.Name])
	switch {
	case errors.Is(err, elect.ErrMissing):
		return fleet.GroupForming, err.Error() + "."
	case errors.Is(err, elect.ErrIdentity):
		return v.servesStill(), err.Error() + "."
	case err != nil:
		return fleet.GroupElecting, err.Error() + "."
	}
	return fleet.GroupElecting, fmt.Sprintf("all nodes are in; %s is due to become the initial master: %s", d.Node, d.Reason)
}

// servesStill: what the nodes do does not depend on Consul's records (promise
// fail-static).
func (v *view) servesStill() fleet.GroupState {
	if v.master == nil {
		return fleet.GroupDown
	}
	return fleet.GroupDegraded
}

// lostRecord says that Consul does not hold, or cannot show, what it held
// before; empty when the group really is new (hazards K5, K8).
func (v *view) lostRecord() string {
	key := fleet.KeysOf(v.w.Spec.Spec.Fleet.Name).Group(v.g.Name)
	if problem := v.w.Problems[key]; problem != "" {
		return fmt.Sprintf("the group's record %s cannot be read (%s); nothing is changed until it can be.", key, problem)
	}
	for _, node := range v.nodes() {
		id := v.w.Reports[node].Report.FleetID
		switch {
		case id == "":
		case v.w.Control == nil:
			return fmt.Sprintf("node %s belongs to fleet %s, and Consul holds no control record: Consul was emptied or rebuilt; "+
				"nothing is changed on the nodes; restore Consul's data, or have it rebuilt from what the agents keep: redfleet recover.", node, id)
		case id != v.w.Control.FleetID:
			return fmt.Sprintf("node %s belongs to fleet %s and Consul's records to fleet %s: two fleets share these records, "+
				"or Consul was rebuilt; nothing is changed on the nodes.", node, id, v.w.Control.FleetID)
		}
	}
	return ""
}

// formed is a group that served once.
func (v *view) formed(checks []fleet.Check) (fleet.GroupState, string) {
	if v.master == nil || v.master.inst.Redis.Loading {
		return fleet.GroupDown, v.whyNoMaster()
	}
	if refusal := v.refusal(); refusal != "" {
		return fleet.GroupDegraded, v.alsoFailing(refusal, checks)
	}
	if missing := failing(checks, aside); len(missing) > 0 {
		return fleet.GroupDegraded, v.master.node + " serves, but " + summary(missing)
	}
	if v.nonePasses() {
		return fleet.GroupDegraded, fmt.Sprintf("%s was the master by its last report, %s, but none of the group's checks in Consul "+
			"passes: its agents or its machines are down.", v.master.node, ago(v.w.Now.Sub(v.master.at)))
	}
	reason := fmt.Sprintf("%s serves with %s", v.master.node, count(len(v.servers)-1, "replica"))
	if v.g.Topology == fleet.Sentinel {
		reason += fmt.Sprintf(" and %d of %s", v.quorum().Reachable, count(len(v.sentinels), "sentinel"))
	} else {
		reason += "; this topology has no automatic failover"
	}
	if drift := failing(checks, func(name string) bool { return name != CheckDrift }); len(drift) > 0 {
		reason += "; " + drift[0].Seen + " from its settings"
	}
	return fleet.GroupServing, reason + "."
}

// nonePasses: the catalog knows the group and every check fails. Where all agents
// died together nobody reports the others down, and their sessions last for
// minutes; Consul's own checks tell within seconds.
func (v *view) nonePasses() bool {
	own := func(e fleet.ServiceEntry) bool { return e.Service == v.g.Service }
	return slices.ContainsFunc(v.w.Services, own) &&
		!slices.ContainsFunc(v.w.Services, func(e fleet.ServiceEntry) bool { return own(e) && e.Passing })
}

// leftBehind names the replicas that run, hold data and are kept from a promotion,
// since the group wrote without them (hazard S19), with what would make one master.
func (v *view) leftBehind() string {
	kept := filter(v.liveReplicas(), func(m *member) bool {
		return m.inst.Redis.ReplicaPriority == 0 && m.inst.Dataset != nil && m.inst.Dataset.Present
	})
	if len(kept) == 0 {
		return ""
	}
	if len(kept) > 1 {
		// One alone would be taken however little it has.
		return fmt.Sprintf(" (%s had not caught up and would lose what was written since; to have the one promoted that is furthest: "+
			"redis-cli CONFIG SET replica-priority 100 on all of them)", list(nodesOf(kept)))
	}
	return fmt.Sprintf(" (%s had not caught up and would lose what was written since; to have it promoted all the same: "+
		"redis-cli CONFIG SET replica-priority 100 there)", kept[0].node)
}

// failing are the checks that do not hold, without those that do not count.
func failing(checks []fleet.Check, ignore func(name string) bool) []fleet.Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c fleet.Check) bool { return c.OK || ignore(c.Name) })
}

// summary tells the first failing check in full and names the others.
func summary(missing []fleet.Check) string {
	text := missing[0].Seen
	if len(missing) > 1 {
		names := make([]string, 0, len(missing)-1)
		for _, c := range missing[1:] {
			names = append(names, c.Name)
		}
		text += " (also failing: " + strings.Join(names, ", ") + ")"
	}
	return text + "."
}

// alsoFailing is the reason of a group whose master refuses writes, with the
// names of the other checks that fail.
func (v *view) alsoFailing(refusal string, checks []fleet.Check) string {
	first := fleet.Check{Seen: refusal}
	others := failing(checks, func(name string) bool { return aside(name) || name == CheckWritable })
	return summary(append([]fleet.Check{first}, others...))
}

// whyNoMaster says why no server takes writes, and what comes next.
func (v *view) whyNoMaster() string {
	if v.master != nil {
		return v.master.node + ", the master, is loading its data; writes are taken when it is done."
	}
	if len(v.claims) > 1 {
		return fmt.Sprintf("%s each say they are master and no majority of the sentinels names one: stop the wrong one, "+
			"or its writes are lost.", list(nodesOf(v.claims)))
	}
	if !slices.ContainsFunc(v.nodes(), func(node string) bool { return v.w.Reports[node].Alive }) {
		return "no agent of the group reports, so nothing is known of its servers: look at the nodes' agents and their way to Consul."
	}
	what := "no server is master"
	if m := v.lastMaster(); m != nil && m.up {
		what = m.node + ", which was to be master, is a replica now"
	} else if m != nil {
		what = fmt.Sprintf("%s on %s, the last master, %s", m.id, m.node, m.whyDown())
	}
	return what + "; " + v.whatNext() + "."
}

func (v *view) whatNext() string {
	if v.g.Topology != fleet.Sentinel {
		return "this topology has no automatic failover: it serves again when that server is back"
	}
	if q := v.quorum(); !q.OK {
		return fmt.Sprintf("no failover can be agreed on: %d of %d sentinels reachable, %d needed: bring their nodes back",
			q.Reachable, len(v.sentinels), max(q.Required, q.Majority))
	}
	sees := filter(live(v.sentinels), (*member).seesPromotable)
	if len(sees) == 0 {
		return "no replica can be promoted: bring the last master or a replica with its data back" + v.leftBehind()
	}
	return "the sentinels are to promote a replica"
}
