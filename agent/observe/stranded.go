package observe

import (
	"context"
	"time"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/internal/fleet"
)

// StrandedFor is how long a replica must be seen stranded, at each of four looks,
// before it is ended. Every sentinel asks its master for the replicas once in 10 s,
// and a TILT takes 30 s: whoever would know of the replica does by then.
const StrandedFor = 30 * time.Second

// stranded is what is kept of a replica in the same process: since when each look
// found it stranded, and when the last one was.
type stranded struct{ since, asked time.Time }

// stranded tells whether a replica has been stranded for StrandedFor. At rest that
// costs one question to its master in ten seconds: whose master answers as one is not.
func (o *Observer) stranded(ctx context.Context, g fleet.InstanceGoal, w *watched, in converge.Instance) bool {
	now, st := o.Now(), &w.stranded
	if !converge.Replicates(&g, in.Redis) {
		*st = stranded{}
		return false
	}
	if now.Sub(st.asked) < o.StrandedFor/3 {
		return false
	}
	st.asked = now
	switch {
	case o.isMaster(ctx, in.Redis.Master, w.password.Reveal()) || !o.outOfReach(ctx, g, w, in):
		st.since = time.Time{}
	case st.since.IsZero():
		st.since = now
	}
	return !st.since.IsZero() && now.Sub(st.since) >= o.StrandedFor
}

func (o *Observer) outOfReach(ctx context.Context, g fleet.InstanceGoal, w *watched, in converge.Instance) bool {
	in.Sentinels, in.Servers = o.Group(ctx, g, w.password)
	return converge.Stranded(&g, in)
}

// isMaster: a server answers, as a master.
func (o *Observer) isMaster(ctx context.Context, at fleet.Addr, password string) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c := o.redis().Server(at, password)
	defer c.Close()
	info, err := c.Observe(ctx)
	return err == nil && info.Role == fleet.RoleMaster
}
