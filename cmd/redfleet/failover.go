package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	rehearsal "github.com/redfleet/redfleet/coordinator/drill"
	"github.com/redfleet/redfleet/coordinator/switchover"
	"github.com/redfleet/redfleet/internal/drill"
)

func newFailover() *cobra.Command {
	f := &drillFlags{}
	cmd := &cobra.Command{
		Use:   "failover GROUP",
		Short: "Move the master of a group to another node, and lose no write",
		Long: `Moves the master of a group to another node, for work on the master's machine. No acknowledged write is lost:
writes are held until every replica that could be promoted has them all, one sentinel was asked for a failover,
most sentinels name the new master, and the old one is its replica. That takes a second or two, in which writes
wait. Sentinel chooses the new master, by replica-priority first.

With --from NODE it does so only where the master is on NODE. Where it is on another one already, and the group
is well, there is nothing to do, which is good too: NODE may then be worked on.

Where it cannot be done so, nothing is changed: a check of redfleet verify fails (--force CHECK passes over it),
most sentinels do not agree, one is in TILT, a replica that could be promoted lags or does not answer, or
down_after is below 3 s.

Exit codes: 0 done, and whole again, or nothing to do · 1 refused, or nothing was changed · 2 shown, and not agreed to · 3 writes may
have been lost, or Sentinel decides · 5 a drill or failover is under way · 6 not whole in time, or Consul cannot be
reached.`,
		Example: `  redfleet failover sessions
  redfleet failover sessions --from n1 --yes && ssh root@n1 systemctl reboot`,
		Args:              args("GROUP"),
		ValidArgsFunction: completeGroups(&f.conn),
		RunE:              func(cmd *cobra.Command, args []string) error { return f.failover(cmd, args[0]) },
	}
	f.usual(cmd)
	cmd.Flags().StringVar(&f.from, "from", "", "`NODE` that the master moves away from; nothing is done where it is elsewhere")
	_ = cmd.RegisterFlagCompletionFunc("from", completeServers(&f.conn)) // fails only for a flag that is not there
	return cmd
}

func (f *drillFlags) failover(cmd *cobra.Command, group string) error {
	o, err := f.options(cmd, drill.Failover, group)
	if err != nil {
		return err
	}
	defer o.Client.Close()
	defer lostOutput()()
	found, err := f.fit(cmd, o)
	if err != nil {
		return err
	}
	if f.from != "" && !found.Has(f.from) {
		return usagef("--from %s: group %s has no server on a node of that name", f.from, group)
	}
	if found.Elsewhere(f.from) != nil {
		return f.show(cmd, rehearsal.Idle(o, found))
	}
	if err := f.agreed(cmd, &o, found); err != nil {
		return err
	}
	d, err := rehearsal.Failover(cmd.Context(), o)
	if errors.Is(err, rehearsal.ErrLocked) {
		return &exitError{exitLocked, err}
	}
	if d.Group == "" {
		return err
	}
	return errors.Join(f.show(cmd, d), switchedAs(d, err))
}

func (f *drillFlags) show(cmd *cobra.Command, d drill.Switched) error {
	if f.out.json() {
		return writeJSON(cmd.OutOrStdout(), d)
	}
	for _, line := range d.Summary() {
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	return nil
}

// switchedAs is the exit code of a planned failover that was begun.
func switchedAs(d drill.Switched, err error) error {
	switch {
	case errors.Is(err, switchover.ErrLeft), errors.Is(err, switchover.ErrLapsed):
		return &exitError{exitCheckFailed, err}
	case err != nil:
		return err
	case !d.Whole:
		return &exitError{exitUnreachable, fmt.Errorf("group %s is not whole in the time given (--timeout): %s", d.Group, d.Why)}
	}
	return nil
}
