package sim

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// shrinkMost bounds how often a failing schedule is run again to make it smaller.
const shrinkMost = 60

// TestSeeds runs some seeds; `make sim` runs many. A seed that breaks a promise is
// printed with its schedule, shrunk.
func TestSeeds(t *testing.T) {
	n := 12
	if raceEnabled {
		n = 2
	}
	cover := NewCoverage()
	for i := range n {
		l := runSeed(t, *firstFlag+uint64(i))
		cover.Add(l.Coverage)
		if len(l.Violations) > 0 {
			t.Errorf("seed %d broke:\n%s\nshrunk schedule:\n%s", l.Seed, strings.Join(l.Violations, "\n"), l.Schedule)
		}
	}
	if cover.States["prepared to running"] == 0 || cover.Safe == 0 {
		t.Errorf("the runs did not come far:\n%s", cover)
	}
}

// TestWorker is one process of `make sim`: it prints a line for each seed. Without
// -sim.seeds it does one.
func TestWorker(t *testing.T) {
	for i := range max(*seedsFlag, 1) {
		seed := *firstFlag + uint64(i)**everyFlag
		if *withFlag != "" && !strings.Contains(NewSchedule(seed).String(), ": "+*withFlag) {
			continue
		}
		l := runSeed(t, seed)
		if i < *repeatFlag {
			l.Unlike = unlike(t, l.Seed)
		}
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(os.Stdout, "%s%s\n", LinePrefix, b)
	}
}

func runSeed(t *testing.T, seed uint64) Line {
	s := NewSchedule(seed)
	r := run(t, s, false)
	l := Line{Seed: seed, Steps: r.Steps, Violations: r.Violations, Coverage: r.Coverage}
	if len(r.Violations) == 0 || *noShrinkFlag {
		return l
	}
	promise, _, _ := strings.Cut(r.Violations[0], ":")
	tries := 0
	l.Schedule = Shrink(s, func(s Schedule) bool {
		if tries++; tries > shrinkMost {
			return false
		}
		for _, v := range run(t, s, false).Violations {
			if strings.HasPrefix(v, promise+":") {
				return true
			}
		}
		return false
	}).String()
	return l
}
