package converge

import (
	"slices"
	"strings"
)

// Lineages are the replication ids under which an instance was seen here, the
// newest last, as one word each: Memory is compared whole.
type Lineages string

// mostLineages is how many are kept. The files' own is noted again every minute,
// so that it is among them however many failovers there were since it was written.
const mostLineages = 50

// List gives them one by one.
func (l Lineages) List() []string { return strings.Fields(string(l)) }

// With adds ids that are not there yet. Empty ones and those of zeros alone, which
// stand for none, are left out.
func (l Lineages) With(ids ...string) Lineages {
	list := l.List()
	for _, id := range ids {
		if strings.Trim(id, "0") != "" && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	if n := len(list) - mostLineages; n > 0 {
		list = list[n:]
	}
	return Lineages(strings.Join(list, " "))
}
