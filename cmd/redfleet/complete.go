package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/drill"
)

// completionTime is how long a shell waits for names from Consul.
const completionTime = time.Second

// completeGroups offers the names of the fleet's groups as the first argument.
func completeGroups(conn *connection) cobra.CompletionFunc {
	return completeNames(conn, func(w world, args []string) (names []cobra.Completion) {
		if len(args) > 0 {
			return nil
		}
		for _, g := range w.groups {
			names = append(names, g.Name)
		}
		return names
	})
}

// completeServers offers the nodes that run a server of the group which is the first
// argument.
func completeServers(conn *connection) cobra.CompletionFunc {
	return completeNames(conn, func(w world, args []string) (nodes []cobra.Completion) {
		if len(args) == 0 {
			return nil
		}
		t, _ := drill.TargetOf(w.world, w.name, args[0], drill.Failover)
		for _, m := range t.Servers {
			nodes = append(nodes, m.Node)
		}
		return nodes
	})
}

// completeNames offers what a function finds in the fleet. When Consul does not answer
// it offers nothing.
func completeNames(conn *connection, of func(w world, args []string) []cobra.Completion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		w, err := conn.loadNow(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(w, args), cobra.ShellCompDirectiveNoFileComp
	}
}
