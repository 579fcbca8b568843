//go:build !race

package sim

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheSameAgain: a schedule gives the same run each time, on one core. With the
// race detector Go shuffles its goroutines on purpose, and two runs can differ in
// which of two requests of one instant goes first.
func TestTheSameAgain(t *testing.T) {
	for seed := *firstFlag; seed < *firstFlag+2; seed++ {
		first, second := run(t, NewSchedule(seed), true), run(t, NewSchedule(seed), true)
		if first.Hash == second.Hash && first.Steps == second.Steps {
			continue
		}
		slices.Sort(first.Trace)
		slices.Sort(second.Trace)
		t.Errorf("seed %d gave two runs:\n%.3000s", seed, cmp.Diff(first.Trace, second.Trace))
	}
}
