package redis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// TestPause: a write is held, a read is not, and the write that is held is refused by a
// server that was made a replica meanwhile; a later pause that is shorter ends nothing
// (hazard S13).
func TestPause(t *testing.T) {
	t.Parallel()
	m := secured(t)
	r := replicaOf(t, m)
	ctx := t.Context()
	// As long as the test may wait for the replica: the pause ends by Unpause.
	const pause = time.Minute
	old, other := dial(t, m.addr, password), redis.DialTimeout(m.addr, password, pause)
	t.Cleanup(func() { _ = other.Close() })
	if err := errors.Join(old.Set(ctx, "before", "x"), old.PauseWrites(ctx, pause), old.PauseWrites(ctx, time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	held, err := old.Observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- other.Set(context.WithoutCancel(ctx), "held", "x") }()
	if _, found, err := old.Get(ctx, "before"); !found || err != nil {
		t.Errorf("a read: %v, %v", found, err)
	}
	select {
	case err := <-ended:
		t.Fatalf("the write was not held: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	replica := dial(t, r.addr, password)
	// Its master calls it online while it still loads what it was sent.
	until(t, "the replica is in step", func() bool {
		in, err := replica.Observe(ctx)
		return err == nil && !in.Loading && in.LinkUp && in.Offset >= held.Offset
	})
	if err := errors.Join(replica.ReplicaOf(ctx, fleet.Addr{}), old.ReplicaOf(ctx, r.addr), old.Unpause(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, redis.ErrReadOnly) {
		t.Errorf("the write that was held: %v", err)
	}
	if in, err := replica.Observe(ctx); err != nil || in.ReplID2 != held.ReplID || in.SecondOffset <= held.Offset {
		t.Errorf("promoted: %+v, %v; held at %d", in, err, held.Offset)
	}
	id, err := other.ClientID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.EndClients(ctx); err != nil {
		t.Fatal(err)
	}
	until(t, "the connection ended", func() bool { now, err := other.ClientID(ctx); return err == nil && now != id })
}
