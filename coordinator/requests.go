package coordinator

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

const (
	// requestLook is how often a request that waits is looked at: what it waits for
	// can be time alone.
	requestLook = time.Second
	// keepRequests bounds the requests that are done.
	keepRequests = 50
)

// carryOut writes the next step of the operators' requests: the requests, the
// groups that they change and the events, all in one transaction and each record only
// where it is still the one that was decided upon. It tells whether it wrote.
func (t *term) carryOut(ctx context.Context, entries []consul.Entry, w fleet.World) (bool, error) {
	t.learnTokens(w)
	step, due := request.Next(w, request.Options{Gap: t.forgetGap, Known: t.known})
	if !due {
		return false, nil
	}
	ops, err := t.eventOps(step.Events)
	if err != nil {
		return false, err
	}
	add := func(key string, record any) error {
		b, err := records.Encode(record)
		ops = append(ops, consul.CAS(key, b, indexOf(entries, key)))
		return err
	}
	for _, r := range step.Requests {
		if err := add(t.keys.Request(r.ID), r); err != nil {
			return false, err
		}
	}
	for _, g := range step.Groups {
		if err := add(t.keys.Group(g.Name), g); err != nil {
			return false, err
		}
	}
	if err := t.do(ctx, LabelRequest, ops); err != nil {
		return false, err
	}
	t.tell(step.Events)
	return true, nil
}

// learnTokens notes since when this term knows each token. Another coordinator's
// clock is not relied upon (hazard M6).
func (t *term) learnTokens(w fleet.World) {
	for _, g := range w.Groups {
		if g.Members == nil || g.Members.Forget == nil {
			continue
		}
		if _, known := t.tokens[g.Members.Forget.Token]; !known {
			t.tokens[g.Members.Forget.Token] = t.now()
		}
	}
}

// known is how long this term has known a token.
func (t *term) known(token string) time.Duration {
	since, ok := t.tokens[token]
	if !ok {
		return 0
	}
	return t.now().Sub(since)
}

// pruneRequests drops the oldest of those that are done above the bound.
func (t *term) pruneRequests(ctx context.Context, w fleet.World) error {
	var ops []consul.Op
	for _, id := range slices.Sorted(maps.Keys(w.Requests)) {
		if w.Requests[id].Phase == fleet.RequestDone && len(w.Requests)-len(ops) > keepRequests && len(ops) < opsPerTxn {
			ops = append(ops, consul.Delete(t.keys.Request(id)))
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return t.do(ctx, LabelPrune, ops)
}
