package main

import (
	"context"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// watch calls show with the fleet as it is, and again after each change of its
// records, until ctx ends or show fails. Verdicts also change with time alone
// (a report grows old), so the last records are judged anew once a second,
// which asks Consul for nothing.
func (c *connection) watch(ctx context.Context, show func(world) error) error {
	first, err := c.load(ctx) // an unreachable Consul is told at once
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(ctx)
	changes, ended := make(chan []consul.Entry, 1), make(chan error, 1)
	go func() {
		keys := fleet.KeysOf(first.name)
		ended <- client.WatchPrefix(ctx, keys.Prefix(), func(e []consul.Entry) {
			select {
			case <-changes: // not yet looked at, and out of date now
			default:
			}
			changes <- e
		}, keys.Open()...)
	}()
	defer func() { cancel(); <-ended }()

	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	now := first.world
	for {
		if err := show(world{name: first.name, world: now, groups: assess.Fleet(now)}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			now.Now = time.Now()
		case entries := <-changes:
			next := records.WorldOf(first.name, entries, time.Now())
			// Without an answer about the services the last one is good enough.
			if next.Services, err = records.Services(ctx, client, next.Spec); err != nil {
				next.Services = now.Services
			}
			now = next
		}
	}
}
