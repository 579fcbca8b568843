package coordinator

import (
	"context"
	"strings"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
)

// removeOffered removes what agents offered while Consul had lost its records, once
// they are there again: it would be out of date the next time. Where there is no
// control record it stays, for `redfleet recover` (hazard K5).
func (t *term) removeOffered(ctx context.Context, entries []consul.Entry, w fleet.World) error {
	if w.Control == nil {
		return nil
	}
	var ops []consul.Op
	for _, e := range entries {
		if strings.HasPrefix(e.Key, t.keys.Recoveries()) && len(ops) < opsPerTxn {
			ops = append(ops, consul.Delete(e.Key))
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return t.do(ctx, LabelOffered, ops)
}
