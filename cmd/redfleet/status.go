package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/verdict"
	"github.com/redfleet/redfleet/internal/view"
)

func newStatus() *cobra.Command {
	var conn connection
	var out output
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the groups of a fleet: state, master, replicas, sentinels",
		Long: `Shows each group of a fleet as the records in Consul tell: its state with the reason, who is master,
how the replicas follow, which sentinels are there. It computes this itself, so it works with every
coordinator down, and it writes nothing.`,
		Example: `  redfleet status
  redfleet status --watch
  redfleet status -o json | jq -r '.groups[].master.addr'`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return watchStatus(cmd.Context(), conn, out, cmd.OutOrStdout())
			}
			w, err := conn.load(cmd.Context())
			if err != nil {
				return err
			}
			for _, problem := range w.world.Problems {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", problem)
			}
			st := verdict.NewStatus(w.name, w.groups).WithRequests(w.world)
			if out.json() {
				return writeJSON(cmd.OutOrStdout(), st)
			}
			return view.Status(cmd.OutOrStdout(), st, style(cmd.OutOrStdout()))
		},
	}
	conn.flags(cmd)
	out.flag(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on and show each change (with -o json one document per line)")
	return cmd
}

// watchStatus shows the fleet each time that it changed, until it is interrupted.
func watchStatus(ctx context.Context, conn connection, out output, w io.Writer) error {
	last := ""
	err := conn.watch(ctx, func(now world) error {
		st := verdict.NewStatus(now.name, now.groups).WithRequests(now.world)
		line, err := json.Marshal(st)
		if err != nil || string(line) == last {
			return err
		}
		last = string(line)
		if out.json() {
			_, err = fmt.Fprintln(w, last)
			return err
		}
		if isTerminal(w) {
			if _, err = fmt.Fprint(w, "\x1b[H\x1b[2J"); err != nil {
				return err
			}
		}
		if err = view.Status(w, st, style(w)); err == nil {
			_, err = fmt.Fprintln(w)
		}
		return err
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
