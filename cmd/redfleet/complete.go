package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// completionTime is how long a shell waits for names from Consul.
const completionTime = time.Second

// completeGroups offers the names of the fleet's groups as the first argument.
// When Consul does not answer it offers nothing.
func completeGroups(conn *connection) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		w, err := conn.load(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names := make([]cobra.Completion, len(w.groups))
		for i, g := range w.groups {
			names[i] = g.Name
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
