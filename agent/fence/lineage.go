package fence

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// foreign holds an instance whose files are of another lineage than its group's: a
// swapped disk, or another group's backup. As a replica it would be wiped by its
// first sync, and as a master its replicas would be (hazard S14; seen on Redis
// 7.0.15). It is held before any sentinel can see it.
//
// The proof is a server that answers with data and lives on in a lineage under
// which this instance was seen too, while the files have another one; for an
// instance that never ran here, a master that answers. Without such a server the
// files may well be the newest that there are: after a loss of power a server
// with an append-only file comes back under a lineage that nobody knows.
func foreign(c Case) (Decision, bool) {
	s := c.Self
	if c.Seed != nil || !s.HasData || s.Lineage == "" || s.Lineage == s.ReplID || slices.Contains(s.Lineages, s.Lineage) {
		return Decision{}, false
	}
	var proof *ServerView
	for i := range c.Servers {
		v := &c.Servers[i]
		switch {
		case !v.Answered || v.Keys == 0:
		case v.ReplID == s.Lineage, v.ReplID2 == s.Lineage:
			return Decision{}, false
		case slices.Contains(s.Lineages, v.ReplID), slices.Contains(s.Lineages, v.ReplID2),
			!s.Ran && len(s.Lineages) == 0 && v.Role == fleet.RoleMaster:
			proof = v
		}
	}
	if proof == nil {
		return Decision{}, false
	}
	return hold("foreign-data", fmt.Sprintf(
		"its data files are of lineage %s, which it never had while it ran here, and %s goes on with the group's: they come from another group "+
			"or another disk, and a sync would wipe them. Move the data files out of its folder, and it starts empty and is synced",
		s.Lineage, proof.Addr)), true
}

// newerElsewhere holds a server without an append-only file, which would come
// back as the master with its last snapshot, while a replica that answers is
// further in the same history (promises no-empty-master, data-wins).
func newerElsewhere(c Case) (Decision, bool) {
	if !c.Self.Volatile || !c.Self.HasData || c.Self.ReplID == "" {
		return Decision{}, false
	}
	for _, v := range c.Servers {
		if !v.Answered || v.Keys == 0 || v.ReplID != c.Self.ReplID && v.ReplID2 != c.Self.ReplID {
			continue
		}
		if c.Self.Lineage != v.ReplID || v.Offset > c.Self.Offset {
			return hold("newer-data", fmt.Sprintf(
				"it was the master and keeps snapshots only; %s answers and is further than its last one: waiting until that one is master", v.Addr)), true
		}
	}
	return Decision{}, false
}
