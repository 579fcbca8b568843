package main

import (
	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/devconsul"
)

func newDevConsul() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:    "devconsul",
		Short:  "Run the lab's stand-in for Consul",
		Hidden: true,
		Long: `Runs an in-memory stand-in for the part of Consul's HTTP API that redfleet uses. It is for the lab
and for tests: it forgets everything when it ends, and checks no token.`,
		Example: `  redfleet devconsul --listen 127.0.0.10:8500`,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return devconsul.Serve(cmd.Context(), listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.10:8500", "the `ADDRESS` to listen on, host:port")
	return cmd
}
