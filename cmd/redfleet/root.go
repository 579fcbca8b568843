package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/redfleet/redfleet/internal/fleet"
)

// newRoot makes the whole tree of verbs. The outputs are set first: cobra's own
// completion verb keeps the one that it finds when it is made.
func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := family(&cobra.Command{
		Use:   "redfleet",
		Short: "Highly available Redis and Valkey on bare machines",
		Long: `redfleet turns bare machines into highly available Redis (and Valkey) and keeps them so.

An agent on each machine runs redis-server and redis-sentinel; a coordinator elects the first master,
keeps the credentials the same everywhere and verifies what came up. They meet in Consul.`,
		Example: `  redfleet lab up                  # three nodes on loopback addresses, verified
  . .lab/env                       # let the commands below speak to that lab
  redfleet status
  redfleet verify && echo good`,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(
		newAgent(), newFence(), newPreflight(), newCoordinator(), newDevConsul(), newLab(),
		newStatus(), newVerify(), newEvents(), newAdopt(), newTakeover(),
		newInit(), newJoin(), newSpec(), newApply(), newNode(), newCredentials(), newRecover(), newFailover(), newDrill(), newMan(), newVersion(),
	)
	root.SetFlagErrorFunc(flagError)
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			completionExamples(cmd)
		}
	}
	return root
}

// family makes a command that only holds others: alone it shows its help, and a
// verb that it does not have is answered with the nearest one.
func family(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var known []string
		for _, sub := range cmd.Commands() {
			if !sub.Hidden {
				known = append(known, sub.Name())
			}
		}
		return usagef("unknown verb %q%s; see: %s --help", args[0], didYouMean(args[0], known), cmd.CommandPath())
	}
	return cmd
}

func didYouMean(word string, known []string) string {
	if near, ok := fleet.Nearest(word, known); ok {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

var unknownFlag = regexp.MustCompile(`^unknown flag: --(.*)$`)

// flagError makes every fault in the flags a usage error, and answers a flag
// that is not known with the nearest one.
func flagError(cmd *cobra.Command, err error) error {
	found := unknownFlag.FindStringSubmatch(err.Error())
	if found == nil {
		return usagef("%w; see: %s --help", err, cmd.CommandPath())
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	hint := ""
	if near, ok := fleet.Nearest(found[1], known); ok {
		hint = fmt.Sprintf("; did you mean --%s?", near)
	}
	return usagef("unknown flag --%s%s; see: %s --help", found[1], hint, cmd.CommandPath())
}

// usage makes the error of a cobra check of the arguments a usage error.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%w; usage: %s", err, cmd.UseLine())
		}
		return nil
	}
}

// args asks for exactly these arguments, by their names in the usage line.
func args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < len(names):
			return usagef("%s is missing; usage: %s", names[len(given)], cmd.UseLine())
		case len(given) > len(names):
			return usagef("%q is one argument too many; usage: %s", given[len(names)], cmd.UseLine())
		}
		return nil
	}
}

func completionExamples(cmd *cobra.Command) {
	cmd.Example = "  redfleet completion bash > /etc/bash_completion.d/redfleet"
	for _, shell := range cmd.Commands() {
		shell.Example = fmt.Sprintf("  redfleet completion %s > %s", shell.Name(), map[string]string{
			"bash": "/etc/bash_completion.d/redfleet",
			"zsh":  `"${fpath[1]}/_redfleet"`,
			"fish": "~/.config/fish/completions/redfleet.fish",
		}[shell.Name()])
		if strings.HasSuffix(shell.Example, "> ") {
			shell.Example = "  redfleet completion " + shell.Name() + " > redfleet." + shell.Name()
		}
	}
}
