package observe

import (
	"context"
	"slices"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// driftEvery is how often a running server's settings are compared.
const driftEvery = 5 * time.Second

// Drift names the directives whose live value is not the expected one. It asks
// the server every few seconds and gives the last answer in between.
func (o *Observer) Drift(ctx context.Context, id fleet.InstanceID, expected map[string]string) []string {
	w := o.watched[id]
	if w == nil || w.server == nil {
		return nil
	}
	if o.Now().Sub(w.driftAt) < driftEvery {
		return w.drift
	}
	names := make([]string, 0, len(expected))
	for name := range expected {
		names = append(names, name)
	}
	live, err := w.server.ConfigGet(ctx, names...)
	if err != nil {
		return w.drift
	}
	w.driftAt, w.drift = o.Now(), nil
	for name, want := range expected {
		if got, known := live[name]; known && !redisconf.SameValue(name, got, want) {
			w.drift = append(w.drift, name)
		}
	}
	slices.Sort(w.drift)
	return w.drift
}
