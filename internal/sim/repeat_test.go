package sim

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unlike runs a seed twice and says how the two runs differ; empty where they do
// not. On one core and without the race detector a schedule gives the same run each
// time. With the detector Go shuffles its goroutines on purpose, and two runs can
// differ in which of two requests of one instant goes first: `make sim` looks, and
// no test that runs with it.
func unlike(t *testing.T, seed uint64) string {
	t.Helper()
	first, second := run(t, NewSchedule(seed), true), run(t, NewSchedule(seed), true)
	if first.Hash == second.Hash && first.Steps == second.Steps {
		return ""
	}
	slices.Sort(first.Trace)
	slices.Sort(second.Trace)
	return fmt.Sprintf("%.3000s", cmp.Diff(first.Trace, second.Trace))
}
