package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/agent/boot"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

func newFence() *cobra.Command {
	var config string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "fence INSTANCE",
		Short: "Decide whether a Redis instance may start, and as what",
		Long: `Decides whether a redis instance of this machine may start, and as what, and writes the role into its
redis.conf. Its systemd unit runs this before each start of the server (ExecStartPre); it needs neither Consul
nor the agent, only what the agent left on disk and the answers of the group's sentinels and servers.

While the answer is no it asks again until --wait is over. Exit codes: 0 the server may start, 4 it is held
(the rule and the reason are on stderr), 1 something on this machine is wrong.`,
		Example: `  redfleet fence redis-sessions-6379
  journalctl -u redfleet-redis@sessions-6379     # what it said at the last start`,
		Args: args("INSTANCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := specfile.ReadAgent(config)
			if err != nil {
				return err
			}
			id := fleet.InstanceID(args[0])
			start, err := boot.Fence(cmd.Context(), boot.Options{
				Config: cfg, Instance: id, Wait: wait,
				Tell: func(h boot.Held) { fmt.Fprintln(cmd.ErrOrStderr(), h.Error()) },
			})
			var held *boot.Held
			switch {
			case errors.As(err, &held):
				return &exitError{exitHalted, fmt.Errorf("%w; nothing is started", err)}
			case err != nil:
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s %s\n", id, start)
			return nil
		},
	}
	configFlag(cmd, &config, "/etc/redfleet/agent.toml")
	cmd.Flags().DurationVar(&wait, "wait", 20*time.Second, "how long to go on asking while the answer is no")
	return cmd
}
