package history

import (
	"slices"
	"time"
)

// countReads counts the reads that ended in the window and showed an old state: a
// number below one that had been acknowledged before the read began. A lost write is
// stale only until its writer's next one is seen: a read tells the last number.
func countReads(g Group, w window, found *Found) {
	acknowledged := acknowledgedOf(g)
	for _, r := range g.Reads {
		if !w.holds(r.End) {
			continue
		}
		if r.Class == Credentials {
			found.Credentials++
		}
		if r.Class != OK {
			continue
		}
		if age := behind(acknowledged[r.Writer], r); age > 0 {
			found.Stale = max(found.Stale, age)
			if r.Master {
				found.StaleMaster++
			}
		}
	}
}

// acknowledgedOf are the acknowledged writes of each writer, in the order of their
// numbers, which is that of time.
func acknowledgedOf(g Group) map[string][]Write {
	all := map[string][]Write{}
	for _, w := range g.Writes {
		if w.Acknowledged() {
			all[w.Writer] = append(all[w.Writer], w)
		}
	}
	return all
}

// behind is how long before the read's start the first write was acknowledged that
// the read does not show; 0 where it shows all.
func behind(writes []Write, r Read) time.Duration {
	i, _ := slices.BinarySearchFunc(writes, r.Seq+1, func(w Write, seq int) int { return w.Seq - seq })
	if i == len(writes) || writes[i].End >= r.Start {
		return 0
	}
	return r.Start - writes[i].End
}
