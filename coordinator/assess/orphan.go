package assess

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// orphans are the groups, by name, that Consul's records or the agents' reports
// know and the spec does not.
func orphans(w fleet.World, spec []string) []string {
	known := map[string]bool{}
	for name := range w.Groups {
		known[name] = true
	}
	for _, r := range w.Reports {
		for _, i := range r.Report.Instances {
			known[i.Group] = true
		}
	}
	return slices.DeleteFunc(sortedKeys(known), func(name string) bool { return slices.Contains(spec, name) })
}

// orphan assesses a group that no spec describes: what its instances do is told,
// nothing is judged beyond that, and nothing is changed (hazard K5).
func orphan(w fleet.World, name string) fleet.Assessment {
	a := fleet.Assessment{Name: name, State: fleet.GroupDown,
		Replicas: []fleet.ReplicaStatus{}, Sentinels: []fleet.SentinelStatus{}}
	rec, recorded := w.Groups[name]
	a.Topology, a.CredentialsVersion = rec.Topology, rec.CredentialsVersion
	var nodes []string
	oldest := &finding{now: w.Now}
	for _, node := range sortedKeys(w.Reports) {
		r := w.Reports[node]
		here := instancesOf(r.Report, name)
		if len(here) == 0 {
			continue
		}
		nodes = append(nodes, node)
		oldest.rest(&member{found: true, rec: r, at: earlier(r.Report.At, w.Now)})
		for _, i := range here {
			addOrphan(&a, node, r.Alive, i)
		}
	}
	if a.Master != nil {
		a.State = fleet.GroupDegraded
	}
	a.Reason = orphanReason(w, name, recorded, nodes)
	oldest.want = "a spec that names the group"
	oldest.fail(a.Reason)
	a.Checks = []fleet.Check{oldest.check(CheckReports, name)}
	return a
}

func instancesOf(r fleet.Report, group string) []fleet.InstanceReport {
	return slices.DeleteFunc(slices.Clone(r.Instances), func(i fleet.InstanceReport) bool { return i.Group != group })
}

func addOrphan(a *fleet.Assessment, node string, alive bool, i fleet.InstanceReport) {
	running := alive && i.State == fleet.Running
	switch {
	case i.Kind == fleet.KindSentinel:
		a.Topology = fleet.Sentinel
		a.Sentinels = append(a.Sentinels, fleet.SentinelStatus{Node: node, Addr: i.Addr, OK: running})
	case running && i.Redis != nil && i.Redis.Role == fleet.RoleMaster && a.Master == nil:
		a.Master = &fleet.MasterStatus{Node: node, Addr: i.Addr}
	default:
		r := fleet.ReplicaStatus{Node: node, Addr: i.Addr, Link: "down"}
		if running && i.Redis != nil && i.Redis.Link == "up" {
			r.Link = "up"
		}
		a.Replicas = append(a.Replicas, r)
	}
}

func orphanReason(w fleet.World, name string, recorded bool, nodes []string) string {
	found := "nothing reports it"
	if len(nodes) > 0 {
		verb := "reports"
		if len(nodes) > 1 {
			verb = "report"
		}
		found = fmt.Sprintf("%s %s it (%s)", count(len(nodes), "agent"), verb, list(nodes))
	}
	what := "the spec does not name group " + name
	if w.Spec == nil {
		what = "Consul holds no spec for group " + name
	}
	if recorded {
		return fmt.Sprintf("%s, but Consul holds its record, and %s; nothing is changed on the nodes; apply the spec again.", what, found)
	}
	way := "restore Consul's data"
	if w.Control == nil {
		way += ", or have it rebuilt from what the agents keep: redfleet recover"
	}
	return fmt.Sprintf("%s, but %s; nothing is changed on the nodes; %s.", what, found, way)
}
