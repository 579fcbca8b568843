package consul

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hashicorp/consul/api"
)

// Entry is one key of the KV store.
type Entry struct {
	Key   string
	Value []byte
	// Index is Consul's ModifyIndex, the one that CAS compares. Writing the value
	// that is already there does not change it.
	Index uint64
	// CreateIndex changes when a key is deleted and made anew.
	CreateIndex uint64
	// Session holds the key's lock; empty when nobody does.
	Session string
}

func entryOf(p *api.KVPair) Entry {
	return Entry{Key: p.Key, Value: p.Value, Index: p.ModifyIndex, CreateIndex: p.CreateIndex, Session: p.Session}
}

// Get reads one key; found is false when there is none.
func (c *Client) Get(ctx context.Context, key string) (e Entry, found bool, err error) {
	err = c.call(ctx, "reading "+key, func(ctx context.Context) error {
		pair, _, err := c.api.KV().Get(key, query(ctx))
		if pair != nil {
			e, found = entryOf(pair), true
		}
		return err
	})
	return e, found, err
}

// List reads all keys that begin with prefix, in the order of their names.
//
// Consul hides from a token what it may not read. A list that would be short for
// that reason is ErrDenied, so that nobody takes a poor token for an empty fleet
// (hazard K5).
func (c *Client) List(ctx context.Context, prefix string) ([]Entry, error) {
	var out []Entry
	err := c.call(ctx, "listing "+prefix, func(ctx context.Context) error {
		pairs, meta, err := c.api.KV().List(prefix, query(ctx))
		if err != nil {
			return err
		}
		out = entriesOf(pairs)
		return c.unfiltered(ctx, prefix, len(out), meta)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Keys reads the names of all keys that begin with prefix. Hidden names are
// ErrDenied, as in List.
func (c *Client) Keys(ctx context.Context, prefix string) ([]string, error) {
	var out []string
	err := c.call(ctx, "listing the names under "+prefix, func(ctx context.Context) error {
		keys, meta, err := c.api.KV().Keys(prefix, "", query(ctx))
		if err != nil {
			return err
		}
		out = keys
		return c.unfiltered(ctx, prefix, len(out), meta)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Acquire writes val to key and locks it for the session, in one step. It gives
// true when the session holds the lock afterwards (also when it did before), and
// false when another session does or the lock-delay has not run out (hazard K1).
// ErrSessionGone: the session has ended.
func (c *Client) Acquire(ctx context.Context, key string, val []byte, session string) (bool, error) {
	var got bool
	err := c.call(ctx, "acquiring "+key, func(ctx context.Context) error {
		var err error
		got, _, err = c.api.KV().Acquire(&api.KVPair{Key: key, Value: val, Session: session}, write(ctx))
		return err
	})
	return got && err == nil, err
}

// Release writes val to key and gives the session's lock up. No lock-delay
// follows, other than when a session ends that still holds a lock. It gives false
// when the session did not hold the lock.
func (c *Client) Release(ctx context.Context, key string, val []byte, session string) (bool, error) {
	var done bool
	err := c.call(ctx, "releasing "+key, func(ctx context.Context) error {
		var err error
		done, _, err = c.api.KV().Release(&api.KVPair{Key: key, Value: val, Session: session}, write(ctx))
		return err
	})
	return done && err == nil, err
}

func entriesOf(pairs api.KVPairs) []Entry {
	out := make([]Entry, 0, len(pairs))
	for _, p := range pairs {
		out = append(out, entryOf(p))
	}
	return out
}

// unfiltered makes an error of an answer that leaves out what the token may not
// see. Without any token Consul does not even say that it left something out: where
// its policy is to deny, an empty answer is then checked by a read, which Consul
// refuses openly.
func (c *Client) unfiltered(ctx context.Context, prefix string, found int, meta *api.QueryMeta) error {
	if meta.ResultsFilteredByACLs {
		return partlyHidden()
	}
	if found > 0 || meta.DefaultACLPolicy != "deny" {
		return nil
	}
	_, _, err := c.api.KV().Get(prefix, query(ctx))
	return err
}

func partlyHidden() error {
	return api.StatusError{Code: http.StatusForbidden, Body: "it may read only a part of what was asked"}
}

// sizeError says which limit was passed.
func sizeError(what string, have, limit int) error {
	return fmt.Errorf("%w: %d %s, the most is %d", ErrTooLarge, have, what, limit)
}
