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

// completeServers offers the nodes that run a server of the group which is the first
// argument.
func completeServers(conn *connection) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		w, err := conn.load(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		t, _ := drill.TargetOf(w.world, w.name, args[0], drill.Failover)
		var nodes []cobra.Completion
		for _, m := range t.Servers {
			nodes = append(nodes, m.Node)
		}
		return nodes, cobra.ShellCompDirectiveNoFileComp
	}
}
