//go:build e2e

package chaos

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// kinds are all there are.
func kinds() []kind {
	return slices.Concat(processKinds(), powerKinds(), networkKinds(), diskKinds(), fileKinds(), consulKinds())
}

// schedule is which kinds come in a run, in which order: each at least once where
// there is room for all, else those that tell most and of the others as many as fit,
// others with each seed.
func schedule(random *rand.Rand, all []kind, faults int) (list []kind) {
	var first, rest []kind
	for _, k := range all {
		if k.telling {
			first = append(first, k)
		} else {
			rest = append(rest, k)
		}
	}
	shuffle := func(kinds []kind) {
		random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	}
	for len(list) < faults {
		shuffle(first)
		shuffle(rest)
		list = append(list, first[:min(len(first), (faults*2+2)/3)]...)
		list = append(list, rest...)
	}
	list = list[:faults]
	shuffle(list)
	return list
}

// TestSchedule: a long run has every kind, a short one is of as many kinds as it has
// faults, the same seed gives the same, and every kind comes in some short run.
func TestSchedule(t *testing.T) {
	names := func(seed uint64, faults int) (names []string) {
		for _, k := range schedule(rand.New(rand.NewPCG(seed, seed)), kinds(), faults) {
			names = append(names, k.name)
		}
		return names
	}
	if got := names(1, 60); len(got) != 60 || distinct(got) != len(kinds()) {
		t.Errorf("60 faults are %d of %d kinds, there are %d", len(got), distinct(got), len(kinds()))
	}
	seen := []string{}
	for seed := range uint64(50) {
		got := names(seed, 12)
		if len(got) != 12 || distinct(got) != 12 {
			t.Errorf("seed %d: 12 faults are %q", seed, got)
		}
		if !slices.Equal(got, names(seed, 12)) {
			t.Errorf("seed %d gives %q once and another time something else", seed, got)
		}
		seen = append(seen, got...)
	}
	if distinct(seen) != len(kinds()) {
		t.Errorf("50 short runs are of %d kinds, there are %d", distinct(seen), len(kinds()))
	}
}

func distinct(names []string) int { return len(slices.Compact(slices.Sorted(slices.Values(names)))) }

// number is a setting of the environment.
func number(t *testing.T, name string, usual int) int {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s is %q; it should be a whole number", name, text)
	}
	return n
}

// consulGone is for how long Consul is gone altogether in a fault of the schedule.
func consulGone() time.Duration { return 5 * time.Second }
