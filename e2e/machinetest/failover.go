package machinetest

import (
	"context"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
)

// FailoverLimit is how long a failover may take, most of it for a busy host: the
// sentinels' down-after, their vote, and a second try where the first failed.
const FailoverLimit = 90 * time.Second

// Failover is how long one took.
type Failover struct {
	// Gap is the longest time for which no write was acknowledged.
	Gap time.Duration
	// Rejoin is from the return of the power to a group that serves and is verified.
	Rejoin time.Duration
}

// FailOver takes the power of the master's machine while a client writes, sees
// another machine become master and take writes, gives the power back, and sees the
// old master return as a replica, with one master and the same data everywhere.
func (f *Fleet) FailOver(ctx context.Context, t testing.TB) Failover {
	t.Helper()
	w := f.StartWriter(ctx, t)
	w.WaitMore(ctx, t, 200)
	old := f.Master(ctx, t)
	safe := w.Last()
	w.WaitMore(ctx, t, 50)
	check(t, old.PowerOff(ctx))
	now := f.WaitOtherMaster(ctx, t, old)
	w.WaitMore(ctx, t, 200)
	on := time.Now()
	check(t, old.BootAgain(ctx))
	f.WaitServing(ctx, t)
	took := Failover{Rejoin: time.Since(on)}
	if again := f.Master(ctx, t); again == old {
		t.Errorf("%s came back as the master, and %s was it meanwhile", old.Name, now.Name)
	}
	w.WaitMore(ctx, t, 200)
	writes := w.Stop()
	took.Gap = writes.Gap
	t.Logf("%s took over from %s; no write was acknowledged for %.1f s; %d acknowledged, %d errors",
		now.Name, old.Name, writes.Gap.Seconds(), len(writes.Acknowledged), len(writes.Failed))
	f.Whole(ctx, t)
	f.Keeps(ctx, t, writes, safe)
	return took
}

// WaitOtherMaster waits until the group has a master that is not this machine, and
// returns it.
func (f *Fleet) WaitOtherMaster(ctx context.Context, t testing.TB, old *machine.Node) *machine.Node {
	t.Helper()
	var master string
	why := poll(ctx, FailoverLimit, func() string {
		n, err := f.asked()
		if err != nil {
			return err.Error()
		}
		group, err := f.status(ctx, n)
		switch {
		case err != nil:
			return err.Error()
		case group.Master == nil:
			return "the group has no master: " + group.Reason
		case group.Master.Node == old.Name:
			return old.Name + " still counts as the master: " + group.Reason
		}
		master = group.Master.Node
		return ""
	})
	if why != "" {
		t.Fatalf("no other master than %s within %s: %s", old.Name, FailoverLimit, why)
	}
	return f.Node(t, master)
}
