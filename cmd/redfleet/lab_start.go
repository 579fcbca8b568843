package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/lab"
)

func newLabStart() *cobra.Command {
	var flags labFlags
	cmd := &cobra.Command{
		Use:   "start NODE",
		Short: "Start the agent and coordinator of a node again",
		Long: `Starts the agent and, where the node has one, the coordinator again. The agent brings Redis and
Sentinel back as its goal says: a master that was replaced returns as a replica.`,
		Example:           `  redfleet lab start n1`,
		Args:              args("NODE"),
		ValidArgsFunction: flags.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd, func(l *lab.Lab) error {
				started, err := l.Start(cmd.Context(), args[0])
				for _, p := range started {
					fmt.Fprintf(cmd.OutOrStdout(), "started %s (pid %d)\n", p.Name, p.PID)
				}
				if err == nil && len(started) == 0 {
					fmt.Fprintf(cmd.OutOrStdout(), "redfleet runs on %s already\n", args[0])
				}
				return err
			})
		},
	}
	flags.flags(cmd)
	return cmd
}
