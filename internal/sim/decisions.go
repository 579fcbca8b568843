package sim

// decisions are those that nodes follow: by group, and by node the group's ID as the
// last goal that it kept has it. The zero value is not ready; the judge guards it.
// The promise is one-election.
type decisions map[string]map[string]string

// follows: a node keeps a goal of that group. It says whether this makes two decisions
// about one group: some node, be it this one, keeps or kept another one, and has had its
// disk since. A node that left its group still counts.
func (d decisions) follows(group, node, id string) (two bool) {
	for _, other := range d[group] {
		two = two || other != id
	}
	if d[group] == nil {
		d[group] = map[string]string{}
	}
	d[group][node] = id
	return two
}

// wiped: a node's disk went, and with it the goal, the data and the sentinel's file.
// Where that befell every node that was told, after Consul lost the decision as well,
// nothing is left of the group, and an operator applies it anew (seed 6687).
func (d decisions) wiped(node string) {
	for _, by := range d {
		delete(by, node)
	}
}
