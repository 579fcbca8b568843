package sim

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	// twinFor is how long an operator looks at status before he does something.
	twinFor = 20 * time.Second
	// resetGap is what docs/operations.md wants between the resets of two sentinels.
	resetGap = 30 * time.Second
)

// forgetTwin does what docs/operations.md says of a ghost that no request is about, once
// for each sentinel in a run: a second machine had a node's name while Consul's records
// were lost and rebuilt (M4), became a member in its place, and was taken away. No record
// tells of it, and a group that forms is not reset by redfleet (seed 5426). The operator
// resets one sentinel after the other; that the group is whole after that is judged like
// all else.
func (w *World) forgetTwin(ctx context.Context, says string) {
	if !w.judge.twins() || w.now() < max(w.schedule.end()+twinFor, w.resetAt+resetGap) {
		return
	}
	for _, n := range w.members() {
		if w.isOff(n.host) || !listsTwin(says, n.name) {
			continue
		}
		w.resetAt = w.now()
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		replies, err := w.clients.talk(ctx, fmt.Sprintf("%s:26379", n.host), "SENTINEL RESET main")
		w.trace(operatorName, "has the sentinel on %s forget a second machine that is gone: %v %v", n.name, replies, err)
		w.cover.rule("a second machine under one name, forgotten by hand")
		return
	}
}

// listsTwin: status says that a node's sentinel lists a second machine of the simulation
// (its address ends with 2 and the number of the node whose name it has).
func listsTwin(says, node string) bool {
	_, tail, found := strings.Cut(says, "the sentinel on "+node+" lists a foreign server, 10.0.0.2")
	number, _, ends := strings.Cut(tail, ":6379")
	return strings.HasPrefix(says, "group main is ") && found && ends && len(number) == 1
}
