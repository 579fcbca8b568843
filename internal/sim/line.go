package sim

import "os"

// LinePrefix begins each line that a worker prints for one seed; JSON of a Line
// follows.
const LinePrefix = "sim-seed "

// Line is what one seed came to.
type Line struct {
	Seed       uint64
	Steps      int
	Violations []string `json:",omitempty"`
	// Schedule is the shrunk one, where a promise was broken.
	Schedule string `json:",omitempty"`
	Coverage *Coverage
	// Unlike is how a second run of the seed differed from the first, where it was run
	// twice; empty where it did not.
	Unlike string `json:",omitempty"`
}

// TempRoot is a folder in memory where there is one; empty for the system's own.
func TempRoot() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}
