package sim

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestMain: most of what a run makes is garbage at once, and little of it at a time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	runtime.GOMAXPROCS(1) // for runs that are the same again
	os.Exit(m.Run())
}
