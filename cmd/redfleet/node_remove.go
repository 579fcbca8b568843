package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	rehearsal "github.com/redfleet/redfleet/coordinator/drill"
	"github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/view"
)

// removeFlags are those of node remove.
type removeFlags struct {
	conn connection
	out  output
	with string
	yes  bool
	wait bool
	// failover: a master is moved away first.
	failover bool
	timeout  time.Duration
}

func newNodeRemove() *cobra.Command {
	var f removeFlags
	cmd := &cobra.Command{
		Use:   "remove NODE",
		Short: "Take a node out of every group, or put another in its place",
		Long: `Takes a node out of every group that it is in. With --replace-with another node, which has joined already,
takes its place with data and sentinel. It shows first what changes, and asks.

What the node runs of these groups is stopped where its machine lives, and every file is kept. Then the
sentinels that are left forget it, one after the other, at least 30 s apart, each only while the master is well
and the others could promote a replica. The coordinator does all that; this command may end before.

Where NODE lives and is a master, --failover moves that to another node first, as redfleet failover does, so that no
acknowledged write is lost; without it the command refuses.

A new machine under the old one's name needs no command where it has the old address too. Where it has
another one, "remove NODE --replace-with NODE" has the sentinels forget the old one.

Exit codes: 0 asked for, with --wait done · 1 refused · 5 somebody changed the spec just now, or another
request has not begun · 6 Consul cannot be reached, or --timeout is over.`,
		Example: `  redfleet node remove n3 --replace-with n4 --wait
  redfleet node remove n3                  # nobody takes its place
  redfleet node remove n1 --failover       # n1 is a master
  redfleet node remove n3 --yes -o json`,
		Args: args("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.out.json() && !f.yes {
				return usagef("it asks before it changes anything, which -o json leaves no room for; give --yes too")
			}
			return f.run(cmd, args[0])
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f.conn.flags(cmd)
	f.out.flag(cmd)
	f.conn.keyFlag(cmd)
	cmd.Flags().BoolVar(&f.failover, "failover", false, "where it is a master, move that to another node first (needs the fleet's key)")
	cmd.Flags().StringVar(&f.with, "replace-with", "", "`NODE` that takes its place")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait until it is done, and say how far it is")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 15*time.Minute, "how long --wait waits")
	return cmd
}

func (f *removeFlags) run(cmd *cobra.Command, node string) error {
	name, err := f.conn.fleetName()
	if err != nil {
		return err
	}
	client, err := f.conn.client()
	if err != nil {
		return err
	}
	defer client.Close()
	now, entry, err := f.conn.readPatiently(cmd.Context(), client, name)
	if err != nil {
		return err
	}
	p := request.Replace(now, node, f.with)
	doc := p.Document()
	if !f.out.json() {
		if err := view.Replacement(cmd.OutOrStdout(), p, style(cmd.OutOrStdout())); err != nil {
			return err
		}
	}
	if err := refused(now, f.objections(p)); err != nil {
		return err
	}
	if f.failover && len(p.Moves) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s is the master of %s: it is moved to another node first, and writes wait for a second or two.\n", node, strings.Join(p.Moves, ", "))
	}
	if !f.yes && !confirmed(cmd.InOrStdin(), cmd.ErrOrStderr(), "Do this?") {
		return errors.New("nothing was changed")
	}
	if len(p.Moves) > 0 {
		if err := f.move(cmd, client, name, node, p.Moves); err != nil {
			return err
		}
		if now, entry, err = f.conn.readPatiently(cmd.Context(), client, name); err != nil {
			return err
		}
		p = request.Replace(now, node, f.with)
		if err := refused(now, p.Objections()); err != nil {
			return fmt.Errorf("the masters were moved, and no node was removed: %w", err)
		}
		doc = p.Document()
	}
	r := request.Made(ulid.Make().String(), who(), time.Now(), p)
	if err := makeRequest(cmd.Context(), client, name, *now.Spec, entry, p, r); err != nil {
		return err
	}
	if !f.out.json() {
		fmt.Fprintf(cmd.OutOrStdout(), "request %s is made; follow it with: redfleet status --fleet %s --watch\n", r.ID, name)
	}
	if f.wait {
		if r, err = f.await(cmd.Context(), client, name, r, cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	return f.tell(cmd.OutOrStdout(), doc, r)
}

// objections are what --failover does not take away.
func (f *removeFlags) objections(p request.Plan) []string {
	if f.failover {
		return p.Refused
	}
	return p.Objections()
}

// move has another server take over in each of the groups whose master is on a node
// still, and loses no write.
func (f *removeFlags) move(cmd *cobra.Command, client *consul.Client, name, node string, groups []string) error {
	key, err := f.conn.loadKey()
	if err != nil {
		return err
	}
	defer lostOutput()()
	for _, group := range groups {
		d, err := rehearsal.Failover(cmd.Context(), rehearsal.Options{Client: client, Fleet: name, Group: group, Kind: drill.Failover, From: node, Key: key,
			Timeout: failoverWait, Who: who(), Effects: effect.New(nil),
			Tell: func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }})
		switch {
		case errors.Is(err, rehearsal.ErrElsewhere):
			fmt.Fprintln(cmd.ErrOrStderr(), err)
			continue
		case errors.Is(err, rehearsal.ErrLocked):
			return &exitError{exitLocked, err}
		case err == nil && !d.Whole:
			err = fmt.Errorf("it is not whole after %s: %s", failoverWait, d.Why)
		}
		if err != nil {
			return fmt.Errorf("moving the master of group %s; no node was removed: %w", group, err)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "group %s: %s\n", group, strings.Join(d.Summary(), "; "))
	}
	return nil
}

// failoverWait is how long a group may take to be whole after its master was moved.
const failoverWait = 2 * time.Minute

// refused says why the plan must not be carried out.
func refused(now fleet.World, objections []string) error {
	if len(objections) > 0 {
		return fmt.Errorf("nothing was changed:\n  %s", strings.Join(objections, "\n  "))
	}
	for _, r := range request.Open(now) {
		if r.Phase == fleet.RequestMade {
			return &exitError{exitLocked, fmt.Errorf("request %s (%s) has not begun; nothing was changed; look at redfleet status", r.ID, request.InWords(r))}
		}
	}
	return nil
}

// makeRequest writes the request and the spec that goes with it together.
func makeRequest(ctx context.Context, client *consul.Client, name string, spec fleet.SpecRecord, read consul.Entry, p request.Plan, r fleet.Request) error {
	keys := fleet.KeysOf(name)
	made, err := records.Encode(r)
	if err != nil {
		return err
	}
	next, err := records.Encode(request.NewSpec(spec, p))
	if err != nil {
		return err
	}
	_, err = client.Txn(ctx, consul.CAS(keys.Spec(), next, read.Index), consul.Create(keys.Request(r.ID), made))
	if errors.Is(err, consul.ErrConflict) {
		return &exitError{exitLocked, fmt.Errorf("somebody else changed the spec of fleet %q just now; nothing was changed; look at redfleet status and try again", name)}
	}
	return err
}

// who is the operator, for the record.
func who() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// await follows the request until it is done.
func (f *removeFlags) await(ctx context.Context, client *consul.Client, name string, r fleet.Request, progress io.Writer) (fleet.Request, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	key := fleet.KeysOf(name).Request(r.ID)
	last := ""
	var bad error
	err := client.WatchKey(ctx, key, func(e consul.Entry, found bool) {
		if !found {
			return
		}
		next, err := records.Decode[fleet.Request](key, e.Value)
		if err != nil {
			bad = err
			cancel()
			return
		}
		r = next
		if words := request.InWords(r); words != last {
			last = words
			fmt.Fprintln(progress, words)
		}
		if r.Phase == fleet.RequestDone {
			cancel()
		}
	})
	switch {
	case bad != nil:
		return r, bad
	case r.Phase == fleet.RequestDone && r.Refused:
		return r, fmt.Errorf("request %s was not carried out: %s", r.ID, r.Outcome)
	case r.Phase == fleet.RequestDone:
		return r, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return r, &exitError{exitUnreachable, fmt.Errorf("request %s is not done after %s; the coordinator goes on with it: redfleet status", r.ID, f.timeout)}
	}
	return r, err
}

func (f *removeFlags) tell(w io.Writer, doc request.Document, r fleet.Request) error {
	if f.out.json() {
		doc.ID, doc.Phase, doc.Outcome = r.ID, r.Phase, r.Outcome
		return writeJSON(w, doc)
	}
	if r.Outcome == "" {
		return nil
	}
	_, err := fmt.Fprintln(w, r.Outcome)
	return err
}
