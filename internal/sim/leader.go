package sim

import (
	"strings"
	"syscall"
	"time"
)

// leaderFor is how long an operator looks at status before he restarts a sentinel.
const leaderFor = 20 * time.Second

// restartLeader does what an operator does, once in a run, where status tells him to: a
// server that was promoted ended, is held since a replica has more than its disk, and the
// sentinel that promoted it waits for it without an end (seed 5527). He goes by nothing but
// status, and restarts the sentinel that it names. What comes of it is judged like all else.
func (w *World) restartLeader() {
	if w.restarted || w.now() < w.schedule.end()+leaderFor {
		return
	}
	name, found := leaderToRestart(w.verdict())
	if !found {
		return
	}
	for _, n := range w.members() {
		if n.name != name {
			continue
		}
		p := w.systemd[n.host].find("sentinel-main")
		if p == nil {
			return
		}
		w.restarted = true
		w.trace("operator", "restarts the sentinel on %s, which waits for the server that it promoted", name)
		p.Signal(syscall.SIGTERM)
		w.cover.rule("a failover that waits for its promoted server, ended by hand")
	}
}

// leaderToRestart gives the node whose sentinel status says to restart, where group
// "main" is down.
func leaderToRestart(says string) (node string, found bool) {
	_, tail, asked := strings.Cut(says, " within failover_timeout, restart the sentinel on ")
	if !asked || !strings.HasPrefix(says, "group main is down") {
		return "", false
	}
	node, _, _ = strings.Cut(tail, ")")
	return node, node != ""
}
