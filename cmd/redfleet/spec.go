package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/speccheck"
	"github.com/redfleet/redfleet/internal/specfile"
)

func newSpec() *cobra.Command {
	cmd := family(&cobra.Command{
		Use:     "spec",
		Short:   "Work on a spec file",
		Example: `  redfleet spec check spec.toml`,
	})
	cmd.AddCommand(newSpecCheck())
	return cmd
}

func newSpecCheck() *cobra.Command {
	var where speccheck.Options
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a spec, without Consul and without touching anything",
		Long: `Checks a spec as far as that can be done on this machine: keys, types, names, ports, sentinels and quorum,
password files, and, once these are right and where the engine is installed, every directive and value by
asking the engine itself.
What could not be checked is said.

Exit codes: 0 the spec can be used (there may be warnings) · 1 it cannot.`,
		Example: `  redfleet spec check spec.toml
  redfleet spec check spec.toml --redis-server /opt/redis/bin/redis-server`,
		Args: args("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := speccheck.File(cmd.Context(), args[0], where)
			if err != nil {
				return err
			}
			printProblems(cmd.ErrOrStderr(), args[0], r)
			if !r.OK() {
				return fmt.Errorf("%s cannot be used: %s", args[0], count(len(r.Errors), "error"))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is good: fleet %s, %s\n", args[0], r.Spec.Fleet.Name, count(len(r.Spec.Groups), "group"))
			return err
		},
		ValidArgsFunction: completeSpecFile,
	}
	engineFlags(cmd, &where)
	return cmd
}

func engineFlags(cmd *cobra.Command, where *speccheck.Options) {
	cmd.Flags().StringVar(&where.RedisServer, "redis-server", "", "`PATH` of redis-server (default: found in PATH)")
	cmd.Flags().StringVar(&where.ValkeyServer, "valkey-server", "", "`PATH` of valkey-server (default: found in PATH)")
}

func completeSpecFile(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"toml"}, cobra.ShellCompDirectiveFilterFileExt
}

// printProblems writes file:line: lines, which editors can follow.
func printProblems(w io.Writer, file string, r speccheck.Result) {
	for _, p := range r.Errors {
		fmt.Fprintln(w, "error:", specfile.Format(file, p))
	}
	for _, p := range r.Warnings {
		fmt.Fprintln(w, "warning:", specfile.Format(file, p))
	}
	for _, text := range r.Unchecked {
		fmt.Fprintln(w, "not checked:", text)
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
