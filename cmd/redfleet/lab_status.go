package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/lab"
	"github.com/redfleet/redfleet/internal/verdict"
	"github.com/redfleet/redfleet/internal/view"
)

// labStatusDocument is the JSON of `lab status`; docs/json.md describes it.
type labStatusDocument struct {
	Processes []lab.Process `json:"processes"`
	// Status is null while the lab's Consul does not answer.
	Status *verdict.Status `json:"status"`
}

func newLabStatus() *cobra.Command {
	var flags labFlags
	var out output
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the lab's processes and its group",
		Example: `  redfleet lab status
  redfleet lab status -o json | jq '.processes[] | select(.state != "active")'`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, func(l *lab.Lab) error {
				var doc labStatusDocument
				var err error
				if doc.Processes, err = l.Processes(cmd.Context()); err != nil {
					return err
				}
				w, failed := l.World(cmd.Context(), time.Now())
				if failed == nil {
					st := verdict.NewStatus(lab.Fleet, l.Assess(w))
					doc.Status = &st
				}
				if out.json() {
					return writeJSON(cmd.OutOrStdout(), doc)
				}
				s := style(cmd.OutOrStdout())
				if err := view.Processes(cmd.OutOrStdout(), doc.Processes, s); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout())
				if failed != nil {
					return failed
				}
				return view.Status(cmd.OutOrStdout(), *doc.Status, s)
			})
		},
	}
	flags.flags(cmd)
	out.flag(cmd)
	return cmd
}
