package history

import "time"

// countProbes counts in the window for how long two servers took writes at once, by
// the probes' word, and how long an isolated one went on.
//
// A row of accepted probes counts from the start of its first try to the end of its
// last one: that may be too long by the time of two tries, and is never too short by
// more than the pause between them.
func countProbes(g Group, w window, found *Found) {
	for _, p := range g.Probes {
		if p.Class == Credentials && overlap(p.From, p.To, w.from, w.to) > 0 {
			found.Credentials += p.Tries
		}
	}
	found.Dual = dual(g.Probes, w)
	if w.fault != nil && w.fault.Isolated != "" {
		found.Isolated = lastAccepted(g, *w.fault)
	}
}

// dual is how long in the window two servers took writes: the sum over all pairs
// of rows of different nodes, since three at once are worse than two.
func dual(probes []Probe, w window) (sum time.Duration) {
	var accepted []Probe
	for _, p := range probes {
		if p.Accepted() && overlap(p.From, p.To, w.from, w.to) > 0 {
			accepted = append(accepted, p)
		}
	}
	for i, a := range accepted {
		for _, b := range accepted[i+1:] {
			if a.Node == b.Node {
				continue
			}
			from, to := max(a.From, b.From), min(a.To, b.To)
			sum += overlap(from, to, w.from, w.to)
		}
	}
	return sum
}

// overlap is how long two spans of time have in common.
func overlap(a, b, from, to time.Duration) time.Duration {
	return max(0, min(b, to)-max(a, from))
}

// lastAccepted is how long after the fault was made the isolated node's server took
// its last write, a probe or a client's, before the fault was healed. The command that
// makes a cut takes longer on a busy machine, and cuts at its end.
func lastAccepted(g Group, f Fault) (last time.Duration) {
	made := max(f.Start, f.Made)
	for _, p := range g.Probes {
		if p.Node == f.Isolated && p.Accepted() && p.From < f.Healed && p.To > made {
			last = max(last, min(p.To, f.Healed)-made)
		}
	}
	for _, w := range g.Writes {
		if w.Node == f.Isolated && w.Acknowledged() && w.End > made && w.End <= f.Healed {
			last = max(last, w.End-made)
		}
	}
	return last
}
