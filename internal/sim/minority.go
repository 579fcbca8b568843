package sim

import (
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// seats notes whose sentinel has lost what it knew with its disk and has not run since.
// The zero value is ready; the judge guards it.
type seats struct {
	ran, blank map[string]bool
	// minority: at some time those that still knew were no majority.
	minority bool
}

// runs: a sentinel of group "main" runs on a node; it was told who the master is.
func (s *seats) runs(node string) {
	if s.ran == nil {
		s.ran, s.blank = map[string]bool{}, map[string]bool{}
	}
	s.ran[node] = true
	delete(s.blank, node)
}

// wiped: a node's disk went. members are the group's.
func (s *seats) wiped(node string, members []string) {
	if !s.ran[node] {
		return // there was nothing that it could lose
	}
	s.blank[node] = true
	knowing := len(slices.DeleteFunc(slices.Clone(members), func(m string) bool { return s.blank[m] }))
	s.minority = s.minority || knowing < fleet.Majority(len(members))
}

// sentinelRuns: a sentinel was started.
func (j *judge) sentinelRuns(n *node) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seats.runs(n.name)
}

// minority: the disks of so many members went at once that those whose sentinels still
// knew the master were no majority. A new one believes no fewer, so that nothing brings
// the others back (docs/guarantees.md; seed 1772).
func (j *judge) minority() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seats.minority
}
