package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/lab"
)

func newLabKill() *cobra.Command {
	var flags labFlags
	var only string
	cmd := &cobra.Command{
		Use:   "kill NODE",
		Short: "Kill what runs on a node, as a crash would (SIGKILL)",
		Long: `Kills everything that runs on a node of the lab with SIGKILL, as a power loss would; with --only one
part of it. What belongs to other nodes is never touched.`,
		Example: `  redfleet lab kill n1
  redfleet lab kill n1 --only redis`,
		Args:              args("NODE"),
		ValidArgsFunction: flags.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			if only != "" && !isPart(only) {
				return usagef("unknown part %q%s; known are %s", only, didYouMean(only, lab.Parts()), strings.Join(lab.Parts(), ", "))
			}
			return flags.with(cmd, func(l *lab.Lab) error {
				ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
				defer cancel()
				killed, err := l.Kill(ctx, args[0], lab.Part(only))
				for _, p := range killed {
					fmt.Fprintf(cmd.OutOrStdout(), "killed %s on %s (pid %d)\n", p.Name, p.Node, p.PID)
				}
				if err == nil && len(killed) == 0 {
					fmt.Fprintf(cmd.OutOrStdout(), "nothing of that ran on %s\n", args[0])
				}
				return err
			})
		},
	}
	flags.flags(cmd)
	cmd.Flags().StringVar(&only, "only", "", "one `PART`: redis, sentinel, agent or coordinator")
	_ = cmd.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(lab.Parts(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func isPart(word string) bool {
	for _, p := range lab.Parts() {
		if p == word {
			return true
		}
	}
	return false
}
