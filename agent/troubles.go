package agent

import (
	"fmt"

	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/internal/fleet"
)

// trouble is what keeps a server that runs from doing all of its work: what is
// wrong, as a sentence after the server's name, why it matters, and what is said
// when it is over; empty where that is told otherwise.
type trouble struct{ what, why, over string }

// troublesOf judges what one look saw, by the name of the trouble. One that is not
// there has an empty entry, so that its end is told too.
func troublesOf(s observe.Seen) map[string]trouble {
	out := map[string]trouble{"rewrite": {}, "replicas": {}, "disk": {}, "stop": {}}
	if s.RewriteError != "" {
		out["rewrite"] = trouble{"cannot rewrite its redis.conf (" + s.RewriteError + ")",
			"Sentinel discards that error: a change of role would be lost with the next start (S15)",
			"can rewrite its redis.conf again"}
	}
	if i := s.Info; i != nil && i.RefusesWrites() {
		out["replicas"] = trouble{"refuses writes (NOREPLICAS)",
			fmt.Sprintf("%d of its replicas answered in time and it wants %d before it takes a write", i.GoodReplicas, i.MinReplicas),
			"takes writes again"}
	}
	if i := s.Info; i != nil && (i.AOF && !i.AOFOK || !i.SaveOK) {
		out["disk"] = trouble{"cannot write its data to its disk", "as the master it refuses writes (MISCONF) until it can, and it refuses to end (D2)",
			"can write its data again"}
	}
	if s.Facts.Unit.Stopping {
		out["stop"] = trouble{"was told to stop and has not ended", "a Redis that cannot write its data refuses to (D2); nothing is killed", ""}
	}
	return out
}

// tellTroubles records each trouble of a running server once, and its end: they
// come and go without a change of any state that is told otherwise.
func (a *agent) tellTroubles(seen map[fleet.InstanceID]observe.Seen) {
	for _, g := range a.goal.Instances {
		s := seen[g.ID]
		if g.Kind != fleet.KindRedis || s.Info == nil && !s.Facts.Unit.Stopping {
			continue
		}
		for name, now := range troublesOf(s) {
			key := string(g.ID) + "/" + name
			before := a.troubles[key]
			if before == now {
				continue
			}
			a.troubles[key] = now
			e := fleet.Event{Group: g.Group, What: fmt.Sprintf("%s on %s %s", g.ID, a.cfg.Node, now.what), Why: now.why}
			if now == (trouble{}) {
				e.What, e.Why = fmt.Sprintf("%s on %s %s", g.ID, a.cfg.Node, before.over), "the agent has looked again"
			}
			if now.what != "" || before.over != "" {
				a.pub.Tell(e)
			}
		}
	}
}
