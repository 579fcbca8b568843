//go:build e2e

package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kinds are all there are.
func kinds() []kind {
	return slices.Concat(processKinds(), powerKinds(), networkKinds(), diskKinds(), fileKinds(), consulKinds())
}

// schedule is which kinds come in a run, in which order: each at least once where
// there is room for all, else those that are always there and of the others as many as
// fit, others with each seed.
func schedule(random *rand.Rand, all []kind, faults int) (list []kind) {
	var first, rest []kind
	for _, k := range all {
		switch {
		case k.when == always:
			first = append(first, k)
		case k.when == sometimes || faults >= len(all):
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

// named are the kinds of a list of names with commas between them, in its order.
func named(names string, all []kind) (list []kind, err error) {
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(k kind) bool { return k.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("KINDS has %q, which is no kind; there are %s", name, strings.Join(namesOfKinds(all), ", "))
		}
		list = append(list, all[i])
	}
	return list, nil
}

func namesOfKinds(kinds []kind) (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// TestSchedule: a long run has every kind, a short one is of as many kinds as it has
// faults, the same seed gives the same, every kind that does not take its time
// comes in some short run, and each can be asked for by its name.
func TestSchedule(t *testing.T) {
	names := func(seed uint64, faults int) []string {
		return namesOfKinds(schedule(rand.New(rand.NewPCG(seed, seed)), kinds(), faults))
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
	for _, k := range kinds() {
		if slices.Contains(seen, k.name) == (k.when == longOnly) {
			t.Errorf("%s: it is in some of 50 short runs: %v", k.name, k.when != longOnly)
		}
	}
	if list, err := named(strings.Join(namesOfKinds(kinds()), ", "), kinds()); err != nil || len(list) != len(kinds()) {
		t.Errorf("all kinds by name: %d, %v", len(list), err)
	}
	if _, err := named("kill master, kill nobody", kinds()); err == nil {
		t.Error("a name that no kind has is taken")
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
