package main

import "github.com/spf13/cobra"

func newNode() *cobra.Command {
	cmd := family(&cobra.Command{
		Use:     "node",
		Short:   "Take nodes out of a fleet's groups",
		Example: `  redfleet node remove n3 --replace-with n4`,
	})
	cmd.AddCommand(newNodeRemove())
	return cmd
}
