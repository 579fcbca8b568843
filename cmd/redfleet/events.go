package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/view"
)

// eventsDocument is the JSON of `events`; docs/json.md describes it.
type eventsDocument struct {
	Fleet  string        `json:"fleet"`
	Events []fleet.Event `json:"events"`
}

func newEvents() *cobra.Command {
	var conn connection
	var out output
	var watch bool
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened in a fleet: when, who, what and why",
		Long:  `Shows the fleet's history, oldest first, as far as it is kept. It writes nothing.`,
		Example: `  redfleet events
  redfleet events --since 10m
  redfleet events --watch -o json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := conn.fleetName()
			if err != nil {
				return err
			}
			client, err := conn.client()
			if err != nil {
				return err
			}
			defer client.Close()
			p := &eventPrinter{w: cmd.OutOrStdout(), out: out}
			if since > 0 {
				p.from = time.Now().Add(-since)
			}
			var entries []consul.Entry
			err = conn.patiently(cmd.Context(), func(ctx context.Context) (err error) {
				entries, err = client.List(ctx, fleet.KeysOf(name).Events())
				return err
			})
			if err != nil {
				return err
			}
			if out.json() && !watch {
				return writeJSON(p.w, eventsDocument{Fleet: name, Events: p.fresh(entries)})
			}
			if err := p.print(entries); err != nil || !watch {
				return err
			}
			return p.follow(cmd.Context(), client, name)
		},
	}
	conn.flags(cmd)
	out.flag(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on and show each new event (with -o json one per line)")
	cmd.Flags().DurationVar(&since, "since", 0, "only what happened in this time, as in 10m or 24h")
	return cmd
}

// eventPrinter prints each event once. Keys are ULIDs, so they sort by when they
// were written.
type eventPrinter struct {
	w    io.Writer
	out  output
	from time.Time
	last string
}

// fresh are the events that were not seen before, by when they happened: keys
// tell when they were written, and what happened first may be written last. One
// that cannot be read is left out: the history is for people, and the rest of it
// still counts.
func (p *eventPrinter) fresh(entries []consul.Entry) []fleet.Event {
	events := []fleet.Event{}
	for _, e := range entries {
		if e.Key <= p.last {
			continue
		}
		p.last = e.Key
		event, err := records.Decode[fleet.Event](e.Key, e.Value)
		if err == nil && !event.At.Before(p.from) {
			events = append(events, event)
		}
	}
	slices.SortStableFunc(events, func(a, b fleet.Event) int { return a.At.Compare(b.At) })
	return events
}

func (p *eventPrinter) print(entries []consul.Entry) error {
	events := p.fresh(entries)
	if !p.out.json() {
		return view.Events(p.w, events, time.Local, style(p.w))
	}
	enc := json.NewEncoder(p.w)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

// follow prints new events until ctx ends, which is how it is stopped.
func (p *eventPrinter) follow(ctx context.Context, client *consul.Client, name string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := client.WatchPrefix(ctx, fleet.KeysOf(name).Events(), func(entries []consul.Entry) {
		if err := p.print(entries); err != nil {
			cancel(err)
		}
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
