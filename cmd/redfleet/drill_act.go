package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	machine "github.com/redfleet/redfleet/agent/drill"
	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/specfile"
)

func newDrillAct() *cobra.Command {
	var config string
	var cut time.Duration
	var yes bool
	cmd := &cobra.Command{
		Use:   "act kill|isolate GROUP",
		Short: "Do a drill's part on this machine, as root",
		Long: `Does on this machine what a drill needs done on the master's: kill ends the process of GROUP's server here with
SIGKILL; isolate cuts this machine off from the group's other servers and sentinels, in both directions, for the
time of --for. Nothing is measured: redfleet drill kill, or isolate, does that, and says when to run this.

The cut ends by itself, even where redfleet or the connection dies: the kernel forgets its rules after that time,
and a timer of systemd's removes the table (inet redfleet_drill). To end it at once: nft delete table inet
redfleet_drill. It needs nft.

Exit codes: 0 done · 1 refused, or it went wrong · 2 not agreed to.`,
		Example: `  redfleet drill act kill sessions
  redfleet drill act isolate sessions --for 20s --yes`,
		Args: args("kill|isolate", "GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := drill.Kind(args[0])
			if !kind.OnMachine() {
				return usagef("%q cannot be done here%s; known are kill and isolate", args[0], didYouMean(args[0], []string{string(drill.Kill), string(drill.Isolate)}))
			}
			if err := checkCut(cut); err != nil {
				return err
			}
			cfg, err := specfile.ReadAgent(config)
			if err != nil {
				return err
			}
			g, err := machine.Instance(cfg, args[1])
			if err != nil {
				return err
			}
			if !yes && !confirmed(cmd.InOrStdin(), cmd.ErrOrStderr(), fmt.Sprintf("%s %s on %s?", kind, g.ID, cfg.Node)) {
				return &exitError{exitPending, errors.New("nothing was done; --yes does it without asking")}
			}
			if kind == drill.Isolate {
				if err := machine.Isolate(cmd.Context(), cfg, g, cut, effect.New(nil)); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is cut off from the peers of group %s for %s\n", cfg.Node, g.Group, cut)
				return err
			}
			pid, err := machine.Kill(cmd.Context(), cfg, g, effect.New(nil))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "killed %s on %s (pid %d)\n", g.ID, cfg.Node, pid)
			return err
		},
	}
	configFlag(cmd, &config, "/etc/redfleet/agent.toml")
	cmd.Flags().DurationVar(&cut, "for", drill.UsualCut, "how long isolate lasts")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}
