//go:build e2e

package chaos

import (
	"fmt"
	"strings"
	"time"
)

const (
	// downAfter is short, so that a run holds many faults; the usual one is 5 s. Below
	// 3 s there are no failovers on evidence and no planned ones.
	downAfter = 3 * time.Second
	// failoverTimeout bounds how long a sentinel goes on with a failover (hazard S22).
	failoverTimeout = 10 * time.Second
	// maxLag is L of the groups that bound their losses.
	maxLag = 3 * time.Second
)

// group is one of the fleet's groups.
type group struct {
	name           string // also its durability
	port, sentinel int
}

// groups are one for each durability, on all machines.
func groups() []group {
	return []group{{"fast", 6379, 26379}, {"bounded", 6380, 26380}, {"acknowledged", 6381, 26381}}
}

func (g group) bounds() bool { return g.name != "fast" }

func (g group) redis() string { return fmt.Sprintf("redfleet-redis@%s-%d.service", g.name, g.port) }
func (g group) sentinelUnit() string {
	return fmt.Sprintf("redfleet-sentinel@%s-%d.service", g.name, g.sentinel)
}

// folder is the group's data folder on a machine.
func (g group) folder() string { return fmt.Sprintf("%s/redis-%s-%d", dataDir, g.name, g.port) }

func (g group) sentinelFolder() string {
	return fmt.Sprintf("%s/sentinel-%s-%d", dataDir, g.name, g.sentinel)
}

// dataDir has all that redfleet keeps on a machine. Here it is a small disk of its
// own, which can be filled and can break.
const (
	dataDir     = "/var/lib/redfleet"
	dataDirSize = 192 << 20
)

func spec() string {
	var b strings.Builder
	b.WriteString("[fleet]\nname = \"e2e\"\n")
	for _, g := range groups() {
		fmt.Fprintf(&b, "\n[[group]]\nname = %q\ntopology = \"sentinel\"\nnodes = [\"n1\", \"n2\", \"n3\"]\nport = %d\n", g.name, g.port)
		fmt.Fprintf(&b, "durability = %q\n", g.name)
		if g.bounds() {
			fmt.Fprintf(&b, "max_lag = \"%s\"\n", maxLag)
		}
		fmt.Fprintf(&b, "[group.sentinel]\nnodes = [\"n1\", \"n2\", \"n3\"]\nport = %d\ndown_after = \"%s\"\nfailover_timeout = \"%s\"\n",
			g.sentinel, downAfter, failoverTimeout)
	}
	return b.String()
}
