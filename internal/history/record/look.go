package record

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/internal/history"
)

// Look asks each server what it has of every writer's numbers, and records it. Call
// it when the group is whole: what was acknowledged before the call and is not on a
// server then counts as lost. Replicas get the time that ctx gives to have all that
// the master had when Look began; one that does not is an error, and nothing is
// recorded, as when a server cannot be asked.
func (r *Recorder) Look(ctx context.Context) error {
	now := r.now()
	if err := r.barrier(ctx); err != nil {
		return err
	}
	var all []history.Kept
	for _, node := range slices.Sorted(maps.Keys(r.servers)) {
		for _, w := range r.writers {
			kept, err := r.kept(ctx, node, w.Name)
			if err != nil {
				return fmt.Errorf("what %s has of %s: %w", node, w.Name, err)
			}
			kept.Time = now
			all = append(all, kept)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.group.Kept = append(r.group.Kept, all...)
	return nil
}

func (r *Recorder) kept(ctx context.Context, node, writer string) (history.Kept, error) {
	values, err := r.servers[node].LRange(ctx, r.list(writer), 0, -1).Result()
	if err != nil {
		return history.Kept{}, err
	}
	numbers := make([]int, len(values))
	for i, v := range values {
		if numbers[i], err = strconv.Atoi(v); err != nil {
			return history.Kept{}, err
		}
	}
	k := history.Kept{Node: node, Writer: writer}
	k.Spans, k.Twice = history.SpansOf(numbers)
	return k, nil
}

// barrier waits until every replica has what the master has now: a write of its own
// on the one master, and WAIT for all.
func (r *Recorder) barrier(ctx context.Context) error {
	master, err := r.master(ctx)
	if err != nil {
		return err
	}
	want := len(r.servers) - 1
	for {
		var wait *goredis.Cmd
		_, err := r.servers[master].Pipelined(ctx, func(p goredis.Pipeliner) error {
			p.Set(ctx, r.probeKey(), 1, probeLife)
			wait = p.Do(ctx, "WAIT", want, r.o.Limit.Milliseconds()/2)
			return nil
		})
		if err != nil {
			return fmt.Errorf("a write on %s: %w", master, err)
		}
		have, err := wait.Int()
		if err != nil || have >= want {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d replicas have what %s has: %w", have, want, master, ctx.Err())
		case <-time.After(r.o.ProbePause):
		}
	}
}

// master is the one server that says it is one.
func (r *Recorder) master(ctx context.Context) (string, error) {
	masters, silent := r.masters(ctx)
	switch {
	case silent != nil:
		return "", silent
	case len(masters) != 1:
		return "", fmt.Errorf("%d servers say that they are master: %v", len(masters), masters)
	}
	return masters[0], nil
}

// masters are the servers that say that they are one; silent is why others do not answer.
func (r *Recorder) masters(ctx context.Context) (masters []string, silent error) {
	for _, node := range slices.Sorted(maps.Keys(r.servers)) {
		role := r.servers[node].Do(ctx, "ROLE")
		switch {
		case role.Err() != nil:
			silent = errors.Join(silent, fmt.Errorf("the role of %s: %w", node, role.Err()))
		case roleOf(role) == history.RoleMaster:
			masters = append(masters, node)
		}
	}
	return masters, silent
}

// Clean removes the recording's keys from each server that says it is a master, and
// then does what Close does. One that does not answer is left out: it can return only
// as a replica of another, and lose them so. Call it after Stop.
func (r *Recorder) Clean(ctx context.Context) error {
	masters, silent := r.masters(ctx)
	var err error
	if len(masters) == 0 {
		err = errors.Join(errors.New("no server says that it is master"), silent)
	}
	keys := []string{r.probeKey()}
	for _, w := range r.writers {
		keys = append(keys, r.list(w.Name))
	}
	for _, master := range masters {
		err = errors.Join(err, r.servers[master].Del(ctx, keys...).Err())
	}
	return errors.Join(err, r.Close())
}

// Close ends the connections for looks; the keys stay. Call it after Stop.
func (r *Recorder) Close() (err error) {
	for _, client := range r.servers {
		err = errors.Join(err, client.Close())
	}
	return err
}
