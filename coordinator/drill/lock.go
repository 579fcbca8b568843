package drill

import (
	"context"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// store is what the lock needs of Consul.
type store interface {
	CreateSession(ctx context.Context, name string, ttl, lockDelay time.Duration) (string, error)
	DestroySession(ctx context.Context, id string) error
	Acquire(ctx context.Context, key string, val []byte, session string) (bool, error)
	Get(ctx context.Context, key string) (consul.Entry, bool, error)
}

// giveUpIn bounds the end of the lock; Consul ends it by itself too.
const giveUpIn = 2 * time.Second

// Locked runs f while the fleet's drill lock is held; ErrLocked where somebody else
// holds it. The lock's session is as long as a drill may take and is not renewed: a
// drill that was killed keeps the next one out for twice that at most (hazard K1).
// f runs once, whatever becomes of Consul meanwhile, and its error comes back as it is.
func Locked(ctx context.Context, s store, effects effect.Runner, name, who string, limit time.Duration, f func(ctx context.Context) error) error {
	var id string
	defer func() {
		if id == "" {
			return
		}
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpIn)
		defer cancel()
		_ = effects.Do(ending, LabelUnlock, func(ctx context.Context) error { return s.DestroySession(ctx, id) }) // it ends by its TTL too
	}()
	key := fleet.KeysOf(name).Drill()
	mine := false
	err := effects.Do(ctx, LabelLock, func(ctx context.Context) (err error) {
		if id, err = s.CreateSession(ctx, "redfleet drill of "+name, limit, 0); err != nil {
			return err
		}
		mine, err = s.Acquire(ctx, key, []byte(who), id)
		return err
	})
	switch {
	case err != nil:
		return err
	case !mine:
		e, _, err := s.Get(ctx, key)
		if err != nil {
			return err
		}
		return fmt.Errorf("%w (%s); if it was killed, its lock ends by itself", ErrLocked, e.Value)
	}
	return f(ctx)
}
