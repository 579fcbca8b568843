package main

import (
	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/verdict"
	"github.com/redfleet/redfleet/internal/view"
)

func newVerify() *cobra.Command {
	var conn connection
	var out output
	cmd := &cobra.Command{
		Use:   "verify [GROUP]",
		Short: "Check that a fleet, or one group of it, is as it should be",
		Long: `Checks each group by name: roles, links, one lineage of data, the sentinels' views, quorum, passwords.
Each check says what was seen and how old that is. It writes nothing.

Exit codes: 0 all hold · 3 a check failed · 6 Consul cannot be read.`,
		Example: `  redfleet verify
  redfleet verify sessions
  redfleet verify -o json | jq '.checks[] | select(.ok | not)'`,
		Args:              usage(cobra.MaximumNArgs(1)),
		ValidArgsFunction: completeGroups(&conn),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := conn.load(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := w.group(name); err != nil {
					return err
				}
			}
			v := verdict.New(w.world, w.groups, args...)
			if out.json() {
				err = writeJSON(cmd.OutOrStdout(), v)
			} else {
				err = view.Verdict(cmd.OutOrStdout(), v, style(cmd.OutOrStdout()))
			}
			if err == nil && !v.OK {
				return &exitError{code: exitCheckFailed}
			}
			return err
		},
	}
	conn.flags(cmd)
	out.flag(cmd)
	return cmd
}
