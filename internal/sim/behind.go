package sim

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// behindFor is how long an operator looks at status before he does something.
const behindFor = 20 * time.Second

// promoteBehind does what an operator does, once in a run, where the group waits for
// him on purpose (hazard S19): the last master's data is gone, and each replica that
// has any is at priority 0, since nobody saw it catch up before the master went. He
// goes by nothing but status, which must say both and name the replicas, and does what
// it says. What is there afterwards is judged like all else (data-wins).
func (w *World) promoteBehind(ctx context.Context) {
	if w.promoted || w.now() < w.schedule.end()+behindFor {
		return
	}
	says := w.verdict()
	names, found := heldBack(says)
	if !found {
		return
	}
	w.promoted = true
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, n := range w.members() {
		if !slices.Contains(names, n.name) {
			continue
		}
		at := fleet.Addr{Host: n.host, Port: 6379}
		replies, err := w.clients.talk(ctx, at.String(), "CONFIG SET replica-priority 100")
		w.trace("operator", "the last master's data is gone (S19); lets %s be promoted: %v %v", n.name, replies, err)
	}
	w.cover.rule("left behind, promoted by hand (S19)")
}

// heldBack gives the nodes whose replicas status names as kept from a promotion, where
// it says that the last master of group "main" cannot give what they may lack.
func heldBack(says string) (nodes []string, found bool) {
	head, tail, kept := strings.Cut(says, " had not caught up and would lose what was written since; to have ")
	lost := strings.Contains(head, "its data is gone") || strings.Contains(head, "keeps snapshots only")
	if !kept || !lost || !strings.HasPrefix(head, "group main is down") || !strings.Contains(tail, "redis-cli CONFIG SET replica-priority 100") {
		return nil, false
	}
	list := head[strings.LastIndex(head, "(")+1:]
	return strings.FieldsFunc(strings.ReplaceAll(list, " and ", ","), func(r rune) bool { return r == ',' || r == ' ' }), true
}
