package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/lab"
)

func newLabDown() *cobra.Command {
	var flags labFlags
	var keepData bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End the lab: every process, and every file that it made",
		Example: `  redfleet lab down
  redfleet lab down --keep-data    # redfleet lab up goes on with the same data`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := flags.with(cmd, func(l *lab.Lab) error {
				if err := l.Down(cmd.Context(), keepData); err != nil {
					return err
				}
				text := "the lab is gone"
				if keepData {
					text = "the lab has ended; its data is in " + l.Dir
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
				return err
			})
			if errors.Is(err, lab.ErrNoLab) { // what was asked for is so
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return nil
			}
			return err
		},
	}
	flags.flags(cmd)
	cmd.Flags().BoolVar(&keepData, "keep-data", false, "leave the files, for another lab up")
	return cmd
}
