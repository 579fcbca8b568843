package sim

import (
	"flag"
	"os"
	"testing"
	"testing/synctest"
)

var (
	seedFlag     = flag.Uint64("sim.seed", 0, "run this one seed and print all that happens")
	seedsFlag    = flag.Int("sim.seeds", 0, "run that many seeds")
	firstFlag    = flag.Uint64("sim.first", 1, "begin with this seed")
	everyFlag    = flag.Uint64("sim.every", 1, "and from there every such")
	repeatFlag   = flag.Int("sim.repeat", 0, "run that many of the seeds twice and compare")
	withFlag     = flag.String("sim.with", "", "only the seeds whose schedules have a fault whose name begins so")
	dirFlag      = flag.String("sim.dir", "", "make the folders of the runs here")
	noShrinkFlag = flag.Bool("sim.no-shrink", false, "do not shrink what fails")
	fileFlag     = flag.String("sim.schedule", "", "run the schedule in this file and print all that happens")
)

// run runs one schedule in a bubble of its own.
func run(t *testing.T, s Schedule, keepTrace bool) Result {
	t.Helper()
	root := *dirFlag
	if root == "" {
		root = TempRoot()
	}
	dir, err := os.MkdirTemp(root, "redfleet-sim-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var out Result
	synctest.Test(t, func(t *testing.T) {
		if out, err = Run(s, dir, keepTrace); err != nil {
			t.Error(err)
		}
	})
	return out
}

// TestOne runs one seed or one schedule and prints what happened.
func TestOne(t *testing.T) {
	s := NewSchedule(*seedFlag)
	switch {
	case *fileFlag != "":
		text, err := os.ReadFile(*fileFlag)
		if err != nil {
			t.Fatal(err)
		}
		if s, err = ParseSchedule(string(text)); err != nil {
			t.Fatal(err)
		}
	case *seedFlag == 0:
		s = NewSchedule(1)
	}
	r := run(t, s, true)
	for _, line := range r.Trace {
		t.Log(line)
	}
	t.Logf("\n%s\n%s", s, r.Coverage)
	t.Logf("steps=%d virtual=%v hash=%x violations=%q", r.Steps, r.Virtual, r.Hash, r.Violations)
}
