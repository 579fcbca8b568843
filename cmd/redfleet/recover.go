package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/coordinator/recovery"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/internal/view"
)

// recoverFor bounds the writing: what takes longer is a Consul that does not answer.
const recoverFor = 2 * time.Minute

// recoverFlags are what the verb can be told.
type recoverFlags struct {
	conn          connection
	out           output
	spec, specOut string
	without       []string
	yes           bool
}

func newRecover() *cobra.Command {
	var r recoverFlags
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Rebuild a fleet's records in a Consul that lost them",
		Long: `For a Consul that was lost for good, with no snapshot to restore: the agents keep their last goals, their
identities and the sealed passwords, and offer them to a Consul that has no record of their fleet. recover
shows what they offer, what is missing and what it would write, and asks. Then the coordinators and agents go
on as before: identities, passwords and goals are the old ones, and no Redis is restarted.

The spec is rebuilt as far as the goals tell it: which file a password came from, and which master was
preferred at first, they do not. With --spec FILE the operator's own is written; it must not say anything else.

A node that a group names and that offers nothing is waited for, unless --without names it. A run that was cut
can be made again. Coordinators need not be stopped: they write nothing before the fleet's records are there.

Exit codes: 0 rebuilt · 1 refused · 2 shown, and not agreed to · 5 another run is
under way, or something else was written meanwhile · 6 Consul cannot be reached.`,
		Example: `  redfleet recover
  redfleet recover --spec fleet.toml --yes
  redfleet recover --without n3 --spec-out fleet.toml`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	r.conn.flags(cmd)
	r.conn.keyFlag(cmd)
	r.out.flag(cmd)
	f := cmd.Flags()
	f.StringVar(&r.spec, "spec", "", "`FILE` with the fleet's spec, instead of what the goals tell")
	f.StringVar(&r.specOut, "spec-out", "", "`FILE` to write the rebuilt spec to, as TOML; it must not be there yet")
	f.StringArrayVar(&r.without, "without", nil, "`NODE` that is gone for good; repeatable")
	f.BoolVar(&r.yes, "yes", false, "do not ask")
	return cmd
}

func (r *recoverFlags) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	o, err := r.options()
	if err != nil {
		return err
	}
	defer o.Client.Close()
	found, err := recovery.Look(ctx, o)
	if err != nil {
		return err
	}
	doc := found.Document(o.Fleet)
	stdout := cmd.OutOrStdout()
	if !r.out.json() {
		if err := view.Recovery(stdout, doc, style(stdout)); err != nil {
			return err
		}
	}
	if len(doc.Refused) > 0 {
		return errors.Join(r.document(stdout, doc), errors.New("nothing was written: what was found does not allow it"))
	}
	if err := r.writeSpec(found); err != nil {
		return err
	}
	if !r.agreed(cmd) {
		return errors.Join(r.document(stdout, doc), &exitError{exitPending, errors.New("nothing was written; --yes writes without asking")})
	}
	ctx, cancel := context.WithTimeout(ctx, recoverFor)
	defer cancel()
	if err := recovery.Write(ctx, o, found); errors.Is(err, recovery.ErrLocked) || errors.Is(err, recovery.ErrChanged) {
		return &exitError{exitLocked, err}
	} else if err != nil {
		return err
	}
	doc.Written = true
	if r.out.json() {
		return writeJSON(stdout, doc)
	}
	_, err = fmt.Fprintf(stdout, "the records of fleet %s are there again; follow it with: redfleet status --fleet %s --watch\n", o.Fleet, o.Fleet)
	return err
}

// document writes the JSON where it was asked for.
func (r *recoverFlags) document(w io.Writer, doc recovery.Document) error {
	if !r.out.json() {
		return nil
	}
	return writeJSON(w, doc)
}

func (r *recoverFlags) options() (recovery.Options, error) {
	o := recovery.Options{Without: r.without, Who: "redfleet recover", Effects: effect.New(nil), Now: time.Now}
	var err error
	if o.Fleet, err = r.conn.fleetName(); err != nil {
		return o, err
	}
	if o.Key, err = r.conn.loadKey(); err != nil {
		return o, err
	}
	if r.spec != "" {
		spec, _, err := specfile.ReadSpec(r.spec)
		if err != nil {
			return o, err
		}
		if spec.Fleet.Name != o.Fleet {
			return o, usagef("%s is the spec of fleet %q, not of %q", r.spec, spec.Fleet.Name, o.Fleet)
		}
		o.Spec = &spec
	}
	o.Client, err = r.conn.client()
	return o, err
}

// writeSpec keeps the rebuilt spec for the operator; a file that is there is not
// written over.
func (r *recoverFlags) writeSpec(found recovery.Finding) error {
	if r.specOut == "" {
		return nil
	}
	text, err := specfile.SpecText(found.Spec.Spec)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(r.specOut); err == nil {
		return fmt.Errorf("%s is there already; name another file in --spec-out", r.specOut)
	}
	return renameio.WriteFile(r.specOut, text, 0o644)
}

// agreed asks, or takes --yes for an answer; a document leaves no room to ask.
func (r *recoverFlags) agreed(cmd *cobra.Command) bool {
	return r.yes || !r.out.json() && confirmed(cmd.InOrStdin(), cmd.ErrOrStderr(), "Write this?")
}
