package main

import (
	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/internal/specfile"
)

func newAgent() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "agent --config FILE",
		Short: "Run the agent of this machine",
		Long: `Runs the agent of this machine in the foreground: it registers the node, watches its goal in Consul,
starts and watches the instances, and reports. Instances outlive it.`,
		Example: `  redfleet agent --config /etc/redfleet/agent.toml`,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := specfile.ReadAgent(config)
			if err != nil {
				return err
			}
			log, err := newLog(cmd.ErrOrStderr(), cfg.LogLevel, cfg.LogFormat, "agent", cfg.Node)
			if err != nil {
				return err
			}
			return agent.Run(cmd.Context(), agent.Options{Config: cfg, ConfigFile: config, Log: log})
		},
	}
	configFlag(cmd, &config, "/etc/redfleet/agent.toml")
	return cmd
}

// configFlag is the one flag of a daemon; everything else is in its file.
func configFlag(cmd *cobra.Command, config *string, standard string) {
	cmd.Flags().StringVar(config, "config", standard, "the daemon's own `FILE`")
	_ = cmd.MarkFlagFilename("config", "toml") // fails only for a flag that is not there
}
