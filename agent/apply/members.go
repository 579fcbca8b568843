package apply

import (
	"context"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/internal/redis"
)

// retire stops an instance whose node left the group. Its folder stays as it is
// (promise data-wins). It is noted last: cut before that, it is retired once more,
// which changes nothing.
func (a *Applier) retire(ctx context.Context, t Target) error {
	err := a.Effects.Do(ctx, LabelRetire, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, startPatience)
		defer cancel()
		return a.Starter.Retire(ctx, t.Goal.ID)
	})
	if err != nil {
		return err
	}
	return a.remember(ctx, t.Goal.ID, func(m *converge.Memory) { m.Retired = true })
}

// setQuorum makes a running sentinel's quorum that of the changed group. SENTINEL
// SET is for this sentinel alone (hazard S7): each agent does it to its own, and
// doing it twice is doing it once.
func (a *Applier) setQuorum(ctx context.Context, t Target) error {
	err := a.Effects.Do(ctx, LabelQuorum, func(ctx context.Context) error {
		return t.Sentinel.SetQuorum(ctx, t.Goal.Monitor.MasterName, t.Goal.Monitor.Quorum)
	})
	if err != nil {
		return err
	}
	return a.remember(ctx, t.Goal.ID, func(m *converge.Memory) { m.Change = t.Goal.Change })
}

// forget has the sentinel forget its replicas and peers, and makes it known again
// to the peers that it spoke to. The token is noted first, so that no cut can ever
// lead to a second reset for it (hazard S5); a reset that did not happen is seen
// by the coordinator, which gives another token when it is safe again.
func (a *Applier) forget(ctx context.Context, s converge.Step, t Target) error {
	master := t.Goal.Monitor.MasterName
	if err := a.remember(ctx, t.Goal.ID, func(m *converge.Memory) { m.Forgot = t.Goal.Forget }); err != nil {
		return err
	}
	err := a.Effects.Do(ctx, LabelForget, func(ctx context.Context) error { return t.Sentinel.Reset(ctx, master) })
	if err != nil {
		return err
	}
	for _, peer := range s.Peers {
		hello := redis.Hello{Addr: peer.Addr, MyID: peer.ID, MasterName: master, Master: s.Master}
		err := a.Effects.Do(ctx, LabelIntroduce, func(ctx context.Context) error { return t.Sentinel.Hello(ctx, hello) })
		if err != nil {
			return err
		}
	}
	return nil
}
