package observe

import (
	"context"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
	"github.com/redfleet/redfleet/internal/redis"
)

// caughtUpWithin is how many bytes a replica may be behind its master to count as
// one that could take over. What a busy master writes between the two looks is a
// small part of it.
const caughtUpWithin = 1 << 20

// caughtUp asks the master of a replica whose link is up: it must answer as a
// master, of the replica's own lineage, and be no further than caughtUpWithin
// (hazard S19). A replica of a replica does not count.
func (o *Observer) caughtUp(ctx context.Context, replica redis.Info, password string) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c := o.redis().Server(replica.Master, password)
	defer c.Close()
	master, err := c.Observe(ctx)
	return err == nil && master.Role == fleet.RoleMaster && master.ReplID == replica.ReplID &&
		master.Offset-replica.Offset <= caughtUpWithin
}

// fileLineage is the lineage that the data files of a running instance tell, also
// those without a key: what is written to them later has no other head (simulation,
// seed 7788). Empty where they tell none. They are the instance's own, since it runs
// there.
func (o *Observer) fileLineage(g fleet.InstanceGoal) string {
	files, err := rdb.Inspect(apply.Dir(o.DataDir, g.ID), rdb.DefaultNames())
	if err != nil {
		return ""
	}
	return files.Aux.ReplID
}
