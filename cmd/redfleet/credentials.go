package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

func newCredentials() *cobra.Command {
	cmd := family(&cobra.Command{
		Use:     "credentials",
		Short:   "Read the passwords of a fleet's groups",
		Example: `  redfleet credentials show main`,
	})
	cmd.AddCommand(newCredentialsShow())
	return cmd
}

func newCredentialsShow() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "show GROUP",
		Short: "Print a group's password on stdout",
		Long: `Opens a group's sealed password with the fleet's key and prints it on stdout, and nothing else there.
Consul holds only the sealed one: without the key nobody can read it.`,
		Example: `  redfleet credentials show main
  redis-cli -h 10.0.0.11 --askpass         # and paste it: an argument would show it to every user`,
		Args:              args("GROUP"),
		ValidArgsFunction: completeGroups(&conn),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := conn.fleetName()
			if err != nil {
				return err
			}
			key, err := conn.loadKey()
			if err != nil {
				return err
			}
			client, err := conn.client()
			if err != nil {
				return err
			}
			defer client.Close()
			at := fleet.KeysOf(name).Secret(args[0])
			var entry consul.Entry
			var found bool
			err = conn.patiently(cmd.Context(), func(ctx context.Context) (err error) {
				entry, found, err = client.Get(ctx, at)
				return err
			})
			if err != nil {
				return fmt.Errorf("reading the secret of group %q: %w", args[0], err)
			}
			if !found {
				return noSecret(cmd, &conn, args[0])
			}
			rec, err := records.Decode[fleet.Secret](at, entry.Value)
			if err != nil {
				return err
			}
			password, err := key.Open(rec.Sealed, rec.Recipient)
			if err != nil {
				return fmt.Errorf("the password of group %q: %w", args[0], err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), password.Reveal())
			return err
		},
	}
	conn.flags(cmd)
	conn.keyFlag(cmd)
	return cmd
}

// noSecret tells a group that does not exist from one that is still forming.
func noSecret(cmd *cobra.Command, conn *connection, group string) error {
	w, err := conn.load(cmd.Context())
	if err != nil {
		return err
	}
	if err := w.group(group); err != nil {
		return err
	}
	return fmt.Errorf("group %q has no password yet: the coordinator makes it when the group has elected its master; see: redfleet status", group)
}
