package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/internal/specfile"
)

func newCoordinator() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "coordinator --config FILE",
		Short: "Run a coordinator of a fleet",
		Long: `Runs a coordinator in the foreground. Any number of them can run side by side: one holds the lease
in Consul and leads, and another takes over when it is gone.`,
		Example: `  redfleet coordinator --config /etc/redfleet/coordinator.toml`,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := specfile.ReadCoordinator(config, os.Getenv("CREDENTIALS_DIRECTORY"))
			if err != nil {
				return err
			}
			log, err := newLog(cmd.ErrOrStderr(), cfg.LogLevel, cfg.LogFormat, "coordinator", cfg.Name)
			if err != nil {
				return err
			}
			return coordinator.Run(cmd.Context(), coordinator.Options{Config: cfg, Log: log})
		},
	}
	configFlag(cmd, &config, "/etc/redfleet/coordinator.toml")
	return cmd
}
