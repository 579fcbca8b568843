package coordinator

import (
	"context"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// keepEvents bounds the history.
const keepEvents = 300

// tell logs events.
func (t *term) tell(events []fleet.Event) {
	for _, e := range events {
		t.log.WithField("group", e.Group).Infof("%s: %s", e.What, e.Why)
	}
}

// eventOps gives the steps that record events. Each has its key from here on, so
// that writing it twice, after an answer that got lost, records it once.
func (t *term) eventOps(events []fleet.Event) ([]consul.Op, error) {
	var ops []consul.Op
	for _, e := range events {
		e.Who = t.name
		b, err := records.Encode(e)
		if err != nil {
			return nil, err
		}
		id, err := ulid.New(ulid.Timestamp(t.now()), t.ids)
		if err != nil {
			return nil, err
		}
		ops = append(ops, consul.Set(t.keys.Event(id.String()), b))
	}
	return ops, nil
}

// record writes events, and those that Consul did not take before.
func (t *term) record(ctx context.Context, events []fleet.Event) error {
	t.tell(events)
	ops, err := t.eventOps(events)
	if err != nil {
		return err
	}
	if t.due = append(t.due, ops...); len(t.due) == 0 {
		return nil
	}
	t.due = t.due[max(0, len(t.due)-keepEvents):]
	batches, err := t.batches(t.due)
	if err != nil {
		return err
	}
	for _, batch := range batches {
		if err := t.do(ctx, LabelEvents, batch); err != nil {
			return err
		}
		t.due = t.due[len(batch):]
	}
	return nil
}

// prune drops the oldest events above the bound, whoever wrote them. It goes by
// what is there, so that a prune that was cut is made up for.
func (t *term) prune(ctx context.Context, entries []consul.Entry) error {
	var keys []string
	for _, e := range entries {
		if strings.HasPrefix(e.Key, t.keys.Events()) {
			keys = append(keys, e.Key)
		}
	}
	if len(keys) <= keepEvents {
		return nil
	}
	old := keys[:min(len(keys)-keepEvents, opsPerTxn)]
	var ops []consul.Op
	for _, k := range old {
		ops = append(ops, consul.Delete(k))
	}
	return t.do(ctx, LabelPrune, ops)
}
