package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/change"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/speccheck"
	"github.com/redfleet/redfleet/internal/view"
)

func newApply() *cobra.Command {
	var conn connection
	var where speccheck.Options
	var initial []string
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Give a fleet its spec",
		Long: `Checks a spec as "redfleet spec check" does, shows what it would make, and writes it to Consul; the
coordinator does the rest. A password that comes from a file is sealed with the fleet's key before it leaves
this machine. For now a spec can make groups; a group that exists stays as it was made.

Where an election stopped because it could not decide, --initial-master names the node to begin with.

Exit codes: 0 written, or nothing to change · 1 refused · 5 somebody else applied a spec just now · 6 Consul
cannot be reached.`,
		Example: `  redfleet apply spec.toml
  redfleet apply spec.toml --initial-master sessions=n2`,
		Args: args("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := speccheck.File(cmd.Context(), args[0], where)
			if err != nil {
				return err
			}
			printProblems(cmd.ErrOrStderr(), args[0], r)
			if !r.OK() {
				return fmt.Errorf("%s cannot be used: %s; nothing was changed", args[0], count(len(r.Errors), "error"))
			}
			if conn.fleet != "" && conn.fleet != r.Spec.Fleet.Name {
				return usagef("--fleet is %q, but %s is the spec of fleet %q", conn.fleet, args[0], r.Spec.Fleet.Name)
			}
			return apply(cmd.Context(), &conn, r.Spec, initial, cmd.OutOrStdout())
		},
		ValidArgsFunction: completeSpecFile,
	}
	conn.flags(cmd)
	conn.keyFlag(cmd)
	engineFlags(cmd, &where)
	cmd.Flags().StringArrayVar(&initial, "initial-master", nil, "`[GROUP=]NODE` that a new group begins with, where data does not decide")
	return cmd
}

// apply reads what is there, plans, and writes the record by CAS with what was
// read.
func apply(ctx context.Context, conn *connection, next fleet.Spec, given []string, w io.Writer) error {
	client, err := conn.client()
	if err != nil {
		return err
	}
	defer client.Close()
	now, entry, err := conn.readPatiently(ctx, client, next.Fleet.Name)
	if err != nil {
		return err
	}
	initial, err := change.InitialMasters(given, next, now)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	plan := change.Compare(next, now)
	if err := plan.ComparePasswords(now.Spec, conn.loadKey); err != nil {
		return err
	}
	if len(plan.Refused) > 0 {
		return fmt.Errorf("nothing was changed:\n  %s", strings.Join(plan.Refused, "\n  "))
	}
	rec, changed, err := change.Record(now.Spec, next, plan, initial, conn.loadKey)
	if err != nil {
		return err
	}
	if !changed {
		_, err := fmt.Fprintf(w, "fleet %s has this spec already; nothing to change\n", next.Fleet.Name)
		return err
	}
	if err := view.Plan(w, next.Fleet.Name, plan, initial, style(w)); err != nil {
		return err
	}
	if err := writeSpec(ctx, client, next.Fleet.Name, rec, entry); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "applied; follow it with: redfleet status --fleet %s --watch\n", next.Fleet.Name)
	return err
}

// readPatiently is readForApply, and waits for a Consul that has no leader at the moment.
func (c *connection) readPatiently(ctx context.Context, client *consul.Client, name string) (now fleet.World, entry consul.Entry, err error) {
	err = c.patiently(ctx, func(ctx context.Context) (err error) {
		now, entry, err = readForApply(ctx, client, name)
		return err
	})
	return now, entry, err
}

// readForApply reads the fleet and, for the CAS, the spec's entry. A spec that
// cannot be read is never written over.
func readForApply(ctx context.Context, client *consul.Client, name string) (fleet.World, consul.Entry, error) {
	key := fleet.KeysOf(name).Spec()
	entry, _, err := client.Get(ctx, key)
	if err != nil {
		return fleet.World{}, entry, fmt.Errorf("reading the spec of fleet %q: %w", name, err)
	}
	w, err := records.LoadWorld(ctx, client, name, time.Now(), false)
	if err != nil {
		return w, entry, err
	}
	for _, problem := range w.Problems {
		return w, entry, fmt.Errorf("%s; nothing was changed", problem)
	}
	return w, entry, nil
}

// writeSpec refuses when somebody else wrote a spec since it was read.
func writeSpec(ctx context.Context, client *consul.Client, name string, rec fleet.SpecRecord, read consul.Entry) error {
	value, err := records.Encode(rec)
	if err != nil {
		return err
	}
	key := fleet.KeysOf(name).Spec()
	op := consul.CAS(key, value, read.Index)
	if read.Index == 0 {
		op = consul.Create(key, value)
	}
	_, err = client.Txn(ctx, op)
	if errors.Is(err, consul.ErrConflict) {
		return &exitError{exitLocked, fmt.Errorf("somebody else applied a spec to fleet %q just now; nothing was changed; look at redfleet status and try again", name)}
	}
	return err
}
