package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// errWriteTaken: a replica took a write, which only its master may send it.
var errWriteTaken = errors.New("the replica took a write instead of refusing it with READONLY")

// small does the steps on an instance that runs.
func (a *Applier) small(ctx context.Context, s converge.Step, t Target) error {
	if t.Redis == nil && t.Sentinel == nil {
		return nil // it ended since the decision; the next look decides anew
	}
	key := fleet.ProbeKey(t.Goal.Group)
	switch s.Kind {
	case converge.TryRewrite:
		return a.Effects.Do(ctx, LabelRewrite, t.Redis.ConfigRewrite)
	case converge.WriteProbe:
		return a.Effects.Do(ctx, LabelProbe, func(ctx context.Context) error {
			return t.Redis.Set(ctx, key, t.Goal.Seed.Probe)
		})
	case converge.TryWrite:
		return a.Effects.Do(ctx, LabelTryWrite, func(ctx context.Context) error { return tryWrite(ctx, t, key) })
	case converge.ClearProbe:
		return a.Effects.Do(ctx, LabelClear, func(ctx context.Context) error { return t.Redis.Del(ctx, key) })
	case converge.RaisePriority:
		return a.raise(ctx, t)
	case converge.EnableAOF:
		return a.Effects.Do(ctx, LabelAOF, func(ctx context.Context) error {
			return errors.Join(t.Redis.ConfigSet(ctx, "appendonly", "yes"), t.Redis.ConfigRewrite(ctx))
		})
	case converge.Introduce:
		return a.introduce(ctx, s, t)
	case converge.SetQuorum:
		return a.setQuorum(ctx, t)
	case converge.Forget:
		return a.forget(ctx, s, t)
	}
	return fmt.Errorf("step %q is not known", s.Kind)
}

func tryWrite(ctx context.Context, t Target, key string) error {
	switch err := t.Redis.Set(ctx, key, "refuse-me"); {
	case errors.Is(err, redis.ErrReadOnly):
		return nil
	case err != nil:
		return err
	}
	return errWriteTaken
}

func (a *Applier) raise(ctx context.Context, t Target) error {
	err := a.Effects.Do(ctx, LabelPriority, func(ctx context.Context) error {
		if err := t.Redis.ConfigSet(ctx, "replica-priority", "100"); err != nil {
			return err
		}
		return t.Redis.ConfigRewrite(ctx)
	})
	if err != nil {
		return err
	}
	return a.remember(ctx, t.Goal.ID, func(m *converge.Memory) { m.RaisePriority = false })
}

// introduce hands the local sentinel a peer's hello, with epochs of 0: it then
// knows the peer and takes nothing else from the message.
func (a *Applier) introduce(ctx context.Context, s converge.Step, t Target) error {
	hello := redis.Hello{
		Addr: s.Peer.Addr, MyID: s.Peer.ID,
		MasterName: t.Goal.Monitor.MasterName, Master: s.Master,
	}
	return a.Effects.Do(ctx, LabelIntroduce, func(ctx context.Context) error { return t.Sentinel.Hello(ctx, hello) })
}
