package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"
)

// CreateSession makes a session that ends, at the earliest, ttl after its last
// renewal, and at the latest after twice as long (hazard K1). Consul takes a ttl
// from 10 s to 24 h. When the session ends it releases its locks, and for
// lockDelay nobody can take them; 0 means none.
//
// The session hangs on no health check: with serfHealth, Consul's default, a
// flap of its gossip would end it (hazard K2).
func (c *Client) CreateSession(ctx context.Context, name string, ttl, lockDelay time.Duration) (string, error) {
	body := map[string]any{
		"Name":       name,
		"TTL":        ttl.String(),
		"Behavior":   api.SessionBehaviorRelease,
		"LockDelay":  lockDelay.String(),
		"NodeChecks": []string{},
	}
	// Not api.Session.CreateNoChecks: that leaves a lock-delay of 0 out, and Consul
	// then takes 15 s.
	var created struct{ ID string }
	err := c.call(ctx, "creating the session "+name, func(ctx context.Context) error {
		_, err := c.api.Raw().Write("/v1/session/create", body, &created, write(ctx))
		return err
	})
	if err == nil && created.ID == "" {
		err = fmt.Errorf("creating the session %s: %w: it gave no id", name, ErrOut)
	}
	return created.ID, err
}

// RenewSession puts the session's end off by its ttl. ErrSessionGone: it has ended.
func (c *Client) RenewSession(ctx context.Context, id string) error {
	what := "renewing the session " + id
	var gone bool
	err := c.call(ctx, what, func(ctx context.Context) error {
		var entries []*api.SessionEntry
		// The raw call gives the status of a failure; api.Session.Renew hides it.
		_, err := c.api.Raw().Write("/v1/session/renew/"+id, nil, &entries, write(ctx))
		var status api.StatusError
		if errors.As(err, &status) && status.Code == http.StatusNotFound {
			gone = true
			return nil
		}
		gone = err == nil && len(entries) == 0
		return err
	})
	if err == nil && gone {
		return fmt.Errorf("%s: %w", what, ErrSessionGone)
	}
	return err
}

// DestroySession ends the session; one that has ended already is no error.
func (c *Client) DestroySession(ctx context.Context, id string) error {
	return c.call(ctx, "destroying the session "+id, func(ctx context.Context) error {
		_, err := c.api.Session().Destroy(id, write(ctx))
		return err
	})
}

// Session is what Consul knows of a session.
type Session struct {
	ID        string
	Name      string
	TTL       time.Duration
	LockDelay time.Duration
	// Checks are the health checks that the session hangs on; redfleet's sessions
	// have none (hazard K2).
	Checks []string
}

// ReadSession looks a session up; found is false when it has ended.
func (c *Client) ReadSession(ctx context.Context, id string) (s Session, found bool, err error) {
	err = c.call(ctx, "reading the session "+id, func(ctx context.Context) error {
		entry, _, err := c.api.Session().Info(id, query(ctx))
		if err != nil || entry == nil {
			return err
		}
		ttl, err := time.ParseDuration(entry.TTL)
		if err != nil && entry.TTL != "" {
			return fmt.Errorf("its TTL %q is no length of time: %w", entry.TTL, err)
		}
		s = Session{ID: entry.ID, Name: entry.Name, TTL: ttl, LockDelay: entry.LockDelay}
		s.Checks = append(append(s.Checks, entry.Checks...), entry.NodeChecks...)
		found = true
		return nil
	})
	return s, found, err
}
