package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// writer writes one key after the other to one server until that refuses one, and
// knows which ones were acknowledged.
type writer struct {
	prefix string
	stop   context.CancelFunc
	ended  chan struct{}
	acked  chan int // how many were acknowledged, at the end
	ready  chan struct{}
}

// startWriter begins to write, a key every 2 ms.
func startWriter(ctx context.Context, server *redis.Server, prefix string) *writer {
	ctx, stop := context.WithCancel(ctx)
	w := &writer{prefix: prefix, stop: stop, ended: make(chan struct{}), acked: make(chan int, 1), ready: make(chan struct{})}
	go func() {
		defer close(w.ended)
		n := 0
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for server.Set(ctx, w.key(n), "x") == nil {
			if n++; n == 50 {
				close(w.ready)
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
		w.acked <- n
	}()
	return w
}

func (w *writer) key(i int) string { return fmt.Sprintf("%s:%d", w.prefix, i) }

// warm waits until a good number is written.
func (w *writer) warm(ctx context.Context) error {
	select {
	case <-w.ready:
		return nil
	case <-w.ended:
		return fmt.Errorf("a write was refused before the master was killed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) end() { w.stop(); <-w.ended }

// count tells how many writes were acknowledged and how many of them a server lacks.
// It removes them.
func (w *writer) count(ctx context.Context, server *redis.Server) (acked, lost int, err error) {
	w.end()
	acked = <-w.acked
	for i := range acked {
		_, found, err := server.Get(ctx, w.key(i))
		if err != nil {
			return acked, lost, err
		}
		if !found {
			lost++
		}
		if err := server.Del(ctx, w.key(i)); err != nil {
			return acked, lost, err
		}
	}
	return acked, lost, nil
}

// firstNamed gives how long after began a sentinel of another node first names
// another master than the dead one.
func (g *group) firstNamed(ctx context.Context, dead int, began time.Time) (time.Duration, error) {
	err := pollFor(ctx, "a sentinel names another master", func() (bool, error) {
		var last error
		for i, s := range g.sentinels {
			if i+1 == dead {
				continue
			}
			addr, err := s.GetMasterAddr(ctx, g.master)
			if err == nil && addr != g.servers[dead-1].Addr() {
				return true, nil
			}
			last = err
		}
		return false, last
	})
	return time.Since(began), err
}

// masterBut finds the server that is master, the dead one left out.
func (g *group) masterBut(ctx context.Context, dead int) (int, error) {
	master := 0
	err := pollFor(ctx, "another server is master", func() (bool, error) {
		for i, s := range g.servers {
			if i+1 == dead {
				continue
			}
			if role, err := s.Role(ctx); err == nil && role.Role == fleet.RoleMaster {
				master = i + 1
			}
		}
		return master > 0, nil
	})
	return master, err
}

// pollFor asks every 10 ms until it is so.
func pollFor(ctx context.Context, what string, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	return poll(ctx, 10*time.Millisecond, what, func() error {
		ok, err := holds()
		if err == nil && !ok {
			err = fmt.Errorf("not yet")
		}
		return err
	})
}

// tagged are the addresses to which Consul leads who asks for a service's master.
func (c *consulAgent) tagged(ctx context.Context, service string) ([]string, error) {
	at := "http://" + c.addr + "/v1/health/service/" + url.PathEscape(service) + "?passing=1&tag=master"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var entries []struct{ Service struct{ Address string } }
	if err := json.NewDecoder(resp.Body).Decode(&entries); err != nil {
		return nil, err
	}
	var hosts []string
	for _, e := range entries {
		hosts = append(hosts, e.Service.Address)
	}
	return hosts, nil
}
