package elect

import "slices"

// checkLineages stops an election whose nodes hold data of more than one origin.
// The node that is not chosen becomes a replica and loses its data, so only data
// that is known to be the chosen one's, older or equal, may be passed over
// (promise data-wins, hazard S14).
//
// Nodes with one replication id are one lineage: a replica takes its master's.
// Nodes with different ids can still be: a promotion, and a master's restart,
// begin a new id, and a dump that was written before it keeps the old one. A
// report does not carry the second id, so the sentinel state connects them, as
// vouched says. Data without a readable id is one lineage with what the sentinel
// state names, by the same test.
//
// This holds for every rule but the operator's: also a running master that the
// sentinels name must not wipe data that nothing connects with it.
func (e *election) checkLineages() error {
	root := e.data[0]
	if i := slices.IndexFunc(e.data, e.verdict.names); i >= 0 {
		root = e.data[i]
	}
	vouched := map[string]bool{}
	for _, c := range e.data {
		if c.Dataset.ReplID != "" && e.vouched(c) {
			vouched[c.Dataset.ReplID] = true
		}
	}
	rootVouched := e.vouched(root) || vouched[root.Dataset.ReplID]
	for _, c := range e.data {
		switch {
		case c.Node == root.Node, sameID(c, root):
		case rootVouched && !c.RunsMaster && (e.vouched(c) || vouched[c.Dataset.ReplID]):
		case c.Dataset.ReplID != "" && root.Dataset.ReplID != "":
			return conflict(e.g.Name, root, c)
		default:
			return unknownLineage(e.g.Name, e.data)
		}
	}
	return nil
}

func sameID(a, b Candidate) bool {
	return a.Dataset.ReplID != "" && a.Dataset.ReplID == b.Dataset.ReplID
}

// vouched: the sentinel state knows the node as part of this group. More than
// half of the nodes that hold a state must name the same master, a node of the
// group; and this node is that master, or its own sentinel names that master, or
// one of the states lists it as that master's replica.
//
// That is enough to let its data be replaced: those sentinels would themselves,
// once started, make the node a replica of that master. redfleet takes nothing
// that the group's own state has not given up already. A node that no state
// mentions is not covered by what others say. Nor is one that runs as a second
// master now: a foreign master in a list of replicas is just what hazard S14
// warns of.
func (e *election) vouched(c Candidate) bool {
	v := e.verdict
	if v.node == "" || !v.majority() {
		return false
	}
	if v.names(c) {
		return true
	}
	if c.RunsMaster {
		return false
	}
	return slices.ContainsFunc(v.vouching, func(holder Candidate) bool {
		return holder.Node == c.Node || slices.ContainsFunc(holder.State.Replicas, c.is)
	})
}
