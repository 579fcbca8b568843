package consul

import (
	"context"
	"fmt"

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
// (hazard K5). Where need names keys and folders, only these have to be whole, and
// what the token may not see besides them is left out.
func (c *Client) List(ctx context.Context, prefix string, need ...string) ([]Entry, error) {
	var out []Entry
	err := c.call(ctx, "listing "+prefix, func(ctx context.Context) error {
		pairs, meta, err := c.api.KV().List(prefix, query(ctx))
		if err != nil {
			return err
		}
		out = entriesOf(pairs)
		return c.unfiltered(ctx, prefix, need, len(out), meta)
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
		return c.unfiltered(ctx, prefix, nil, len(out), meta)
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
// refuses openly. So is every part that is needed, where only these are.
func (c *Client) unfiltered(ctx context.Context, prefix string, need []string, found int, meta *api.QueryMeta) error {
	switch {
	case !meta.ResultsFilteredByACLs && (found > 0 || meta.DefaultACLPolicy != "deny"):
		return nil
	case meta.ResultsFilteredByACLs && len(need) == 0:
		return &DeniedError{Rights: []Right{{Resource: "key", Prefix: true, Name: prefix, Access: "read"}}}
	case len(need) == 0:
		need = []string{prefix}
	}
	for _, key := range need {
		if _, _, err := c.api.KV().Get(key, query(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// sizeError says which limit was passed.
func sizeError(what string, have, limit int) error {
	return fmt.Errorf("%w: %d %s, the most is %d", ErrTooLarge, have, what, limit)
}
