package sim

import (
	"slices"
	"strings"
	"time"
)

// strayFor is how long an operator looks at verify before he does something.
const strayFor = 20 * time.Second

// stopStrays does what an operator does about a machine that runs an instance of a group
// which has no place for it any more, where no record tells that it left: it took an old
// goal from an answer of Consul that was long on its way, after the records were lost and
// rebuilt without it (seed 6546). The coordinator leaves what answers alone. He goes by
// what status says, and takes that machine away (docs/operations.md); that the sentinels
// forget it then is judged like all else.
func (w *World) stopStrays(says string) {
	w.judge.mu.Lock()
	rebuilt := w.judge.recoveries > 0
	w.judge.mu.Unlock()
	if !rebuilt || w.now() < w.schedule.end()+strayFor {
		return
	}
	in := w.members()
	for _, n := range w.nodes {
		if slices.Contains(in, n) || w.isOff(n.host) || !stray(says, n.host) || w.systemd[n.host].find("sentinel-main") == nil {
			continue // one that has ended is only not forgotten yet (seed 4611)
		}
		w.trace(operatorName, "takes %s away, which is in no group and runs an instance of one", n.name)
		w.powerOff(n)
		w.cover.rule("a machine that is in no group, taken away")
	}
}

// stray: status says that sentinels know one at this host, which is none of the group's.
func stray(says, host string) bool {
	return strings.HasPrefix(says, "group main is ") && strings.Contains(says, " knows a foreign one, "+host+":26379 ")
}
