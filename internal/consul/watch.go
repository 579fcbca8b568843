package consul

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/hashicorp/consul/api"
)

// WatchKey calls fn with the key as it stands, and again each time that it was
// written, locked, released, made or deleted. Several changes in quick succession
// may come as one. It returns only when ctx ends, with ctx's error.
//
// While Consul is out nothing is called but Options.OnError: silence is not a
// deletion. A key that nobody has made yet costs a request for every write to
// Consul's KV store, so create watched keys beforehand (hazard K4).
func (c *Client) WatchKey(ctx context.Context, key string, fn func(e Entry, found bool)) error {
	return c.watch(ctx, "watching "+key, func(q *api.QueryOptions) ([]Entry, *api.QueryMeta, error) {
		pair, meta, err := c.api.KV().Get(key, q)
		if err != nil || pair == nil {
			return nil, meta, err
		}
		return []Entry{entryOf(pair)}, meta, nil
	}, func(entries []Entry) {
		if len(entries) == 0 {
			fn(Entry{}, false)
			return
		}
		fn(entries[0], true)
	})
}

// WatchPrefix is WatchKey for all keys that begin with prefix: each call gets the
// whole list, in the order of the names. need is as in List.
func (c *Client) WatchPrefix(ctx context.Context, prefix string, fn func([]Entry), need ...string) error {
	return c.watch(ctx, "watching all under "+prefix, func(q *api.QueryOptions) ([]Entry, *api.QueryMeta, error) {
		pairs, meta, err := c.api.KV().List(prefix, q)
		if err == nil {
			err = c.unfiltered(q.Context(), prefix, need, len(pairs), meta)
		}
		return entriesOf(pairs), meta, err
	}, fn)
}

// poll is one request of a watch.
type poll func(q *api.QueryOptions) ([]Entry, *api.QueryMeta, error)

// watch repeats a blocking query. The first request returns at once; each later
// one when something changed or the wait is over.
func (c *Client) watch(ctx context.Context, what string, ask poll, tell func([]Entry)) error {
	var (
		index   uint64
		seen    uint64 // the last index, also over errors
		last    []Entry
		told    bool
		failing bool
		retry   = newBackoff(50*time.Millisecond, 10*time.Second, c.jitter, what)
		idle    = newBackoff(10*time.Millisecond, time.Second, c.jitter, what)
	)
	for {
		request, round, done := c.inRound(ctx)
		entries, meta, wait, err := c.blockingQuery(request, what, index, ask)
		done()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if round.Err() != nil { // its answer may be one of the state that was
			index = 0
			continue
		}
		if err != nil {
			failing = true
			c.onError(what, classify(ctx, what, err))
			// The state may be another one when Consul is back: look at once.
			index = 0
			if !sleep(ctx, retry.NextBackOff()) {
				return ctx.Err()
			}
			continue
		}
		retry.Reset()
		if failing {
			failing = false
			c.onError(what, nil)
		}
		returnedEarly := index != 0 && meta.RequestTime < time.Second
		if meta.LastIndex < seen && c.onBack != nil {
			c.onBack()
		}
		seen = meta.LastIndex
		if index != 0 && meta.LastIndex == index && meta.RequestTime < wait {
			// Woken without news: Consul lets go of its queries when a snapshot is
			// restored, and answers from the state that was. In the new one this
			// index may not come for long (hazard K4).
			index = 0
		} else {
			index = nextIndex(index, meta.LastIndex)
		}
		if told && slices.EqualFunc(last, entries, sameEntry) {
			// Woken for nothing: a missing key (K4). Do not spin.
			if returnedEarly && !sleep(ctx, idle.NextBackOff()) {
				return ctx.Err()
			}
			continue
		}
		idle.Reset()
		last, told = entries, true
		tell(entries)
	}
}

// blockingQuery asks with a wait that is a little different each time, so that a
// fleet's watches do not come back together; it gives that wait too.
func (c *Client) blockingQuery(ctx context.Context, what string, index uint64, ask poll) ([]Entry, *api.QueryMeta, time.Duration, error) {
	timeout := c.timeout
	q := &api.QueryOptions{WaitIndex: index}
	if index > 0 {
		q.WaitTime = c.wait - c.jitter(what, c.wait/10+1)
		// Consul itself adds up to a sixteenth.
		timeout += q.WaitTime + q.WaitTime/16
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	entries, meta, err := ask(q.WithContext(ctx))
	return entries, meta, q.WaitTime, err
}

// nextIndex follows Consul's rules for blocking queries: an index that went
// backwards means that its state is another one, so start at 0; and never wait
// on 0, which would not wait at all (hazard K4).
func nextIndex(had, got uint64) uint64 {
	if got < had {
		return 0
	}
	return max(got, 1)
}

func sameEntry(a, b Entry) bool {
	return a.Key == b.Key && a.Index == b.Index && a.CreateIndex == b.CreateIndex &&
		a.Session == b.Session && string(a.Value) == string(b.Value)
}

// retries are the waits between attempts: they double from first to most, and each
// is taken at random between its half and one and a half of it.
type retries struct {
	*backoff.ExponentialBackOff
	jitter Jitter
	what   string
}

func newBackoff(first, most time.Duration, jitter Jitter, what string) retries {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = first, most, 2, 0
	return retries{b, jitter, what}
}

// NextBackOff gives the next wait.
func (r retries) NextBackOff() time.Duration {
	d := r.ExponentialBackOff.NextBackOff()
	return d/2 + r.jitter(r.what, d+1)
}

// sleep waits for d and gives false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
