package main

import (
	"cmp"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/lab"
	"github.com/redfleet/redfleet/internal/view"
)

func newLab() *cobra.Command {
	cmd := family(&cobra.Command{
		Use:   "lab",
		Short: "Run a whole fleet on this machine, on loopback addresses",
		Long: `Runs a whole fleet on this machine: nodes n1, n2 … on 127.0.0.11, .12 …, with Redis and Sentinel on
their standard ports, a process for each agent and coordinator, and a stand-in for Consul. It needs no root.
The fleet is "lab" and its group "main"; everything is in one folder.`,
		Example: `  redfleet lab up
  redfleet lab kill n1             # what runs on n1 dies at once
  redfleet lab start n1
  redfleet lab down`,
	})
	cmd.AddCommand(newLabUp(), newLabStatus(), newLabKill(), newLabStart(), newLabDown())
	return cmd
}

// labFlags are shared by the verbs of the lab.
type labFlags struct{ dir string }

func (l *labFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.dir, "dir", "", "the lab's `FOLDER` ($REDFLEET_LAB_DIR, else .lab)")
	_ = cmd.MarkFlagDirname("dir") // fails only for a flag that is not there
}

// options of the lab in this process. Progress goes to stderr.
func (l *labFlags) options(cmd *cobra.Command) (lab.Options, error) {
	program, err := os.Executable()
	if err != nil {
		return lab.Options{}, fmt.Errorf("finding the path of this program: %w", err)
	}
	log := logrus.New()
	log.SetOutput(cmd.ErrOrStderr())
	log.SetLevel(logrus.WarnLevel)
	s := style(cmd.ErrOrStderr())
	return lab.Options{
		Dir: cmp.Or(l.dir, os.Getenv("REDFLEET_LAB_DIR"), ".lab"), Program: program, Log: log, Assess: assess.Fleet,
		Progress: func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), view.Progress(text, s)) },
	}, nil
}

// with opens the lab for the length of fn.
func (l *labFlags) with(cmd *cobra.Command, fn func(*lab.Lab) error) error {
	o, err := l.options(cmd)
	if err != nil {
		return err
	}
	opened, err := lab.Open(o)
	if err != nil {
		return err
	}
	err = fn(opened)
	if closing := opened.Close(); err == nil {
		err = closing
	}
	return err
}

// completeNodes offers the lab's nodes as the first argument.
func (l *labFlags) completeNodes(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var nodes []cobra.Completion
	if len(args) == 0 {
		_ = l.with(cmd, func(opened *lab.Lab) error { nodes = opened.Nodes(); return nil })
	}
	return nodes, cobra.ShellCompDirectiveNoFileComp
}
