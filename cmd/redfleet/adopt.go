package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/coordinator/adopt"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/view"
)

// adoption is the verb's flags.
type adoption struct {
	conn           connection
	out            output
	group, master  string
	password       string
	dry, yes       bool
	stdin          io.Reader
	stdout, stderr io.Writer
}

func newAdopt() *cobra.Command {
	var a adoption
	cmd := &cobra.Command{
		Use:   "adopt GROUP",
		Short: "Take over a group that was built by hand, as it runs",
		Long: `Takes over a master, its replicas and its sentinels that run under the distribution's units, without a restart
and without a lost connection. redfleet must be installed and joined on each of their machines: the agents tell
what runs there. --dry-run shows what was found, what would be refused and why, and the group's spec, and
changes nothing.

The group keeps its password, which --password-file names, its master name and its settings. Each instance moves
to redfleet's own unit and folder when it is restarted next, by whomever; "redfleet status" says which have.
Restart one at a time: replicas and sentinels first, the master last.

Exit codes: 0 adopted, or the dry run found nothing against it · 1 refused · 5 somebody else changed the spec
just now · 6 Consul cannot be reached.`,
		Example: `  redfleet adopt sessions --dry-run
  redfleet adopt sessions --master-name mymaster --password-file /root/redis.password
  systemctl restart redis-sentinel        # on one machine: this sentinel moves
  redfleet status sessions`,
		Args: args("GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.group, a.stdin, a.stdout, a.stderr = args[0], cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return a.run(cmd.Context())
		},
	}
	a.conn.flags(cmd)
	a.conn.keyFlag(cmd)
	a.out.flag(cmd)
	f := cmd.Flags()
	f.StringVar(&a.master, "master-name", "", "`NAME` under which the sentinels watch the group, where they watch several")
	f.StringVar(&a.password, "password-file", "", "`FILE` with the group's password, as it is now")
	f.BoolVar(&a.dry, "dry-run", false, "show what was found and what would be done, and change nothing")
	f.BoolVar(&a.yes, "yes", false, "do not ask")
	return cmd
}

func (a *adoption) run(ctx context.Context) error {
	switch {
	case !a.dry && a.password == "":
		return usagef("--password-file is missing: the group keeps its password, which is sealed with the fleet's key; for a look, --dry-run")
	case !a.dry && a.out.json() && !a.yes:
		return usagef("redfleet adopt asks before it changes anything, which -o json leaves no room for; give --yes too")
	}
	name, err := a.conn.fleetName()
	if err != nil {
		return err
	}
	client, err := a.conn.client()
	if err != nil {
		return err
	}
	defer client.Close()
	now, entry, err := a.conn.readPatiently(ctx, client, name)
	if err != nil {
		return err
	}
	ask := adopt.Ask{Fleet: name, Group: a.group, MasterName: a.master}
	var key secret.Key
	var password secret.Password
	if a.password != "" {
		if key, err = a.conn.loadKey(); err != nil {
			return err
		}
		if password, err = secret.ReadPasswordFile(a.password); err != nil {
			return err
		}
		ask.Password = key.Digest(password)
	}
	found := adopt.Find(now, ask)
	if a.password != "" {
		if found.Spec.Password.File, err = filepath.Abs(a.password); err != nil {
			return err
		}
	}
	if err := a.show(found); err != nil || len(found.Refused) > 0 {
		return errors.Join(err, refusedAdoption(found))
	}
	if a.dry {
		return nil
	}
	if !a.yes && !confirmed(a.stdin, a.stdout, "Adopt this group?") {
		return errors.New("nothing was changed")
	}
	sealed, err := secret.Seal(key.Recipient(), password)
	if err != nil {
		return err
	}
	if err := writeSpec(ctx, client, name, adopt.Record(now.Spec, name, found, sealed), entry); err != nil {
		return err
	}
	if a.out.json() {
		return nil
	}
	_, err = fmt.Fprintf(a.stdout, "adopted; follow it with: redfleet status --fleet %s --watch\n", name)
	return err
}

func (a *adoption) show(f adopt.Finding) error {
	if a.out.json() {
		return writeJSON(a.stdout, f)
	}
	return view.Adoption(a.stdout, f, style(a.stdout))
}

func refusedAdoption(f adopt.Finding) error {
	if len(f.Refused) == 0 {
		return nil
	}
	return fmt.Errorf("group %s cannot be adopted as it is; nothing was changed:\n  %s", f.Group, strings.Join(f.Refused, "\n  "))
}
