package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	rehearsal "github.com/redfleet/redfleet/coordinator/drill"
	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/view"
)

// drillFlags are what a drill can be told.
type drillFlags struct {
	conn         connection
	out          output
	via          string
	cut, timeout time.Duration
	force        []string
	yes          bool
	from         string
	svg, history string
}

func newDrill() *cobra.Command {
	cmd := family(&cobra.Command{
		Use:   "drill",
		Short: "Rehearse a failure on a live group, and measure what clients see",
		Long: `Rehearses a failure on a live group: a failover that is asked for, the end of the master's process, or a master
that its peers cannot reach. Two clients of the drill's own write 50 numbers a second each, through Sentinel,
under keys that begin with redfleet:drill and are removed at the end. It reports for how long no write was
acknowledged, which acknowledged ones were lost, and when the group was whole again.

The group's own clients see the failure too.`,
		Example: `  redfleet drill failover sessions
  redfleet drill kill sessions --via 'ssh root@{node}'
  redfleet drill isolate sessions --for 20s`,
	})
	for _, kind := range drill.Kinds() {
		cmd.AddCommand(newDrillOf(kind))
	}
	cmd.AddCommand(newDrillAct())
	return cmd
}

func newDrillOf(kind drill.Kind) *cobra.Command {
	f := &drillFlags{}
	cmd := &cobra.Command{
		Use:   string(kind) + " GROUP",
		Short: map[drill.Kind]string{drill.Failover: "Fail over in good order", drill.Kill: "Kill the master's process", drill.Isolate: "Cut the master's machine off from its peers, for a time"}[kind],
		Long: map[drill.Kind]string{
			drill.Failover: `Does what redfleet failover does, so that no acknowledged write is lost: holds the master's writes, asks one
sentinel for a failover, makes the old master a replica, and waits until the group is whole.`,
			drill.Kill: `Has the master's process killed (SIGKILL), and waits until the group is whole. That needs root on its machine,
which no agent gives away: --via says how to run a command there, or it is shown, for you to run.`,
			drill.Isolate: `Has the master's machine cut off from the group's other servers and sentinels for the time of --for, while
clients still reach it, and waits until the group is whole. The cut ends by itself, even where redfleet dies.
That needs root on its machine: --via says how to run a command there, or it is shown, for you to run. Run the
drill from a machine that is none of the group's: a peer is cut off too.`,
		}[kind] + `

It refuses where a check of redfleet verify fails (--force CHECK passes over it), most sentinels do not agree,
one is in TILT, or no replica can be promoted.

Exit codes: 0 done, and whole again · 1 refused, or it went wrong · 2 shown, and not agreed to · 3 something that
must hold did not · 5 a drill or failover is under way · 6 not whole in time, or Consul cannot be reached.`,
		Example: map[drill.Kind]string{
			drill.Failover: "  redfleet drill failover sessions\n  redfleet drill failover sessions --yes -o json",
			drill.Kill:     "  redfleet drill kill sessions --via 'ssh root@{node}'\n  redfleet drill kill sessions          # shows what to run on the master's machine",
			drill.Isolate:  "  redfleet drill isolate sessions --for 20s --via 'ssh root@{address}'",
		}[kind],
		Args:              args("GROUP"),
		ValidArgsFunction: completeGroups(&f.conn),
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd, kind, args[0]) },
	}
	f.usual(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.svg, "svg", "", "`FILE` to draw the course of it into")
	flags.StringVar(&f.history, "history", "", "`FILE` for all that was recorded, as JSON")
	if kind.OnMachine() {
		flags.StringVar(&f.via, "via", "", "`COMMAND` that runs another as root on the master's machine, with {node} or {address} in it")
	}
	if kind == drill.Isolate {
		flags.DurationVar(&f.cut, "for", drill.UsualCut, "how long the machine is cut off")
	}
	return cmd
}

// usual are the flags that a planned failover has too.
func (f *drillFlags) usual(cmd *cobra.Command) {
	f.conn.flags(cmd)
	f.conn.keyFlag(cmd)
	f.out.flag(cmd)
	flags := cmd.Flags()
	flags.DurationVar(&f.timeout, "timeout", 2*time.Minute, "how long the group may take to be whole again")
	flags.StringArrayVar(&f.force, "force", nil, "`CHECK` of redfleet verify that may be bad; repeatable")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
}

func (f *drillFlags) run(cmd *cobra.Command, kind drill.Kind, group string) error {
	o, err := f.options(cmd, kind, group)
	if err != nil {
		return err
	}
	defer o.Client.Close()
	defer lostOutput()()
	found, err := f.fit(cmd, o)
	if err != nil {
		return err
	}
	if err := f.agreed(cmd, &o, found); err != nil {
		return err
	}
	out, err := rehearsal.Run(cmd.Context(), o)
	if errors.Is(err, rehearsal.ErrLocked) {
		return &exitError{exitLocked, err}
	}
	if out.Report.Kind == "" {
		return err
	}
	return errors.Join(f.tell(cmd, out), err, ended(out.Report))
}

// fit looks at the group; an error where it is not fit for it.
func (f *drillFlags) fit(cmd *cobra.Command, o rehearsal.Options) (rehearsal.Finding, error) {
	w, err := f.conn.load(cmd.Context())
	if err != nil {
		return rehearsal.Finding{}, err
	}
	if err := w.group(o.Group); err != nil {
		return rehearsal.Finding{}, err
	}
	found, err := rehearsal.Look(cmd.Context(), o)
	if err != nil {
		return rehearsal.Finding{}, err
	}
	return found, found.Refused()
}

// agreed says what will be done, and asks. What it says is all that may be done then:
// should the master be elsewhere in the end, nothing is.
func (f *drillFlags) agreed(cmd *cobra.Command, o *rehearsal.Options, found rehearsal.Finding) error {
	o.From = found.Master.Node
	if f.yes {
		return nil
	}
	what := map[drill.Kind]string{
		drill.Failover: "Its writes are held, and the sentinel on " + found.Ask.Node + " is asked for a failover",
		drill.Kill:     "The master's process is killed",
		drill.Isolate:  fmt.Sprintf("The master's machine is cut off from its peers for %s", o.Cut),
	}[o.Kind]
	fmt.Fprintf(cmd.ErrOrStderr(), "The master of %s is on %s (%s). %s. Its clients get no write through until another server is master, or this one is back.\n",
		o.Group, found.Master.Node, found.Master.Addr, what)
	if !confirmed(cmd.InOrStdin(), cmd.ErrOrStderr(), "Do this?") {
		return &exitError{exitPending, errors.New("nothing was done; --yes does it without asking")}
	}
	return nil
}

func (f *drillFlags) options(cmd *cobra.Command, kind drill.Kind, group string) (rehearsal.Options, error) {
	o := rehearsal.Options{Group: group, Kind: kind, Cut: f.cut, Timeout: f.timeout, Force: f.force, Via: strings.Fields(f.via), Who: who(), Effects: effect.New(nil)}
	if f.out.json() && !f.yes {
		return o, usagef("it asks before it does anything, which -o json leaves no room for; give --yes too")
	}
	if f.timeout < time.Second || f.timeout > time.Hour {
		return o, usagef("--timeout is %s; it may be 1s to 1h", f.timeout)
	}
	if kind == drill.Isolate {
		if err := checkCut(f.cut); err != nil {
			return o, err
		}
	}
	for _, name := range f.force {
		if !drill.Forceable(name) {
			return o, usagef("--force %s: nothing passes over that; --force takes the name of a check of redfleet verify", name)
		}
	}
	o.Tell = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
	var err error
	if o.Fleet, err = f.conn.fleetName(); err != nil {
		return o, err
	}
	if o.Key, err = f.conn.loadKey(); err != nil {
		return o, err
	}
	o.Client, err = f.conn.client()
	return o, err
}

func checkCut(cut time.Duration) error {
	if cut < drill.ShortestCut || cut > drill.LongestCut {
		return usagef("--for is %s; it may be %s to %s", cut, drill.ShortestCut, drill.LongestCut)
	}
	return nil
}

// tell writes the report, and the files that were asked for.
func (f *drillFlags) tell(cmd *cobra.Command, out rehearsal.Outcome) (err error) {
	if f.history != "" {
		err = errors.Join(err, writeTo(f.history, func(w io.Writer) error { return writeJSON(w, out.History) }))
	}
	if f.svg != "" {
		err = errors.Join(err, writeTo(f.svg, func(w io.Writer) error { return history.SVG(w, out.History, out.Checked) }))
	}
	stdout := cmd.OutOrStdout()
	if f.out.json() {
		return errors.Join(err, writeJSON(stdout, out.Report))
	}
	if out.Report.Done {
		err = errors.Join(err, view.History(stdout, out.Checked, style(stdout)))
	}
	for _, line := range out.Report.Summary() {
		fmt.Fprintln(stdout, line)
	}
	return err
}

// writeTo makes a file whole, or not at all.
func writeTo(path string, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	return renameio.WriteFile(path, text.Bytes(), 0o644)
}

// ended is the exit code of a drill that did what it is about; the keys that it could
// not remove are no part of that.
func ended(r drill.Report) error {
	switch {
	case !r.Done:
		return nil
	case len(r.Violations) > 0:
		return &exitError{code: exitCheckFailed}
	case !r.Whole:
		return &exitError{exitUnreachable, fmt.Errorf("group %s is not whole in the time given (--timeout): %s", r.Group, r.Why)}
	}
	return nil
}
