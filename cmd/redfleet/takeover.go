package main

import (
	"context"
	"path/filepath"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/agent/boot"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/systemd"
)

// What systemd makes of ExecCondition=: with the first the unit is left alone and has
// not failed, with the second it has failed and is tried again.
const (
	exitGivesWay = 1
	exitTryAgain = 255
)

func newTakeover() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:    "takeover INSTANCE",
		Hidden: true,
		Short:  "Move an adopted instance that is down to redfleet's own unit",
		Long: `Moves an adopted instance that is down to redfleet's own folder and unit, and starts that unit. The unit from
which it was adopted runs this in place of each of its own starts (ExecCondition); it needs neither Consul nor the
agent, only what the agent left on disk.

Exit codes, as systemd takes them: 1 the instance is redfleet's, and the old unit gives way · 255 something on this
machine is wrong; nothing is started, and systemd tries again.`,
		Example: `  redfleet takeover redis-sessions-6379
  journalctl -u redis-server     # what it said at the last start`,
		Args: args("INSTANCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := takeOver(cmd.Context(), config, fleet.InstanceID(args[0])); err != nil {
				return &exitError{exitTryAgain, err}
			}
			return &exitError{code: exitGivesWay}
		},
	}
	configFlag(cmd, &config, "/etc/redfleet/agent.toml")
	return cmd
}

func takeOver(ctx context.Context, config string, id fleet.InstanceID) error {
	cfg, err := specfile.ReadAgent(config)
	if err != nil {
		return err
	}
	if config, err = filepath.Abs(config); err != nil {
		return err
	}
	units := systemd.New(systemd.Options{User: cfg.User, Config: config, Log: logrus.StandardLogger()})
	defer func() { _ = units.Close() }()
	return boot.TakeOver(ctx, boot.Options{Config: cfg, Instance: id}, units)
}
