package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
	"github.com/redfleet/redfleet/internal/setup"
	"github.com/redfleet/redfleet/internal/view"
)

func newInit() *cobra.Command {
	var conn connection
	var nodes []string
	plan := setup.Plan{}
	topology := ""
	cmd := &cobra.Command{
		Use:   "init --fleet NAME --nodes NAME=ADDRESS,…",
		Short: "Make a new fleet's key, its files, and its policies and tokens for Consul",
		Long: `Makes a folder with all that a new fleet begins with: its key, a commented fleet.toml (the spec), agent.toml
and coordinator.toml, and the ACL policies for Consul: one for each agent, one for the coordinators, one for
operators, one for viewers, each with the least rights that work.

With --consul and a token that has the right "acl write" it also makes the policies and a token for each of
them in Consul, and puts the tokens into files that only you can read. Without, it prints the commands.

Nothing that is there already is changed: run again, it makes what is missing.

Exit codes: 0 all is there · 1 refused · 6 Consul cannot be reached.`,
		Example: `  redfleet init --fleet shop --nodes n1=10.0.0.11,n2=10.0.0.12,n3=10.0.0.13
  redfleet init --fleet shop --nodes n1=10.0.0.11,n2=10.0.0.12,n3=10.0.0.13 --consul 127.0.0.1:8500 --token-file management.token`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if plan.Fleet, err = conn.fleetName(); err != nil {
				return err
			}
			if plan.Nodes, err = parseNodes(nodes); err != nil {
				return err
			}
			plan.Topology = fleet.Topology(topology)
			if plan.Dir == "" {
				plan.Dir = plan.Fleet
			}
			return initFleet(cmd.Context(), plan, conn, cmd.OutOrStdout())
		},
	}
	conn.flags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&nodes, "nodes", nil, "the machines: `NAME=ADDRESS`,… with the address at which the others reach each")
	f.StringVar(&plan.Dir, "dir", "", "`FOLDER` to make (default: the fleet's name)")
	f.StringVar(&plan.Engine, "engine", fleet.EngineRedis, "the `ENGINE` of the first group: redis or valkey")
	f.StringVar(&topology, "topology", string(fleet.Sentinel), "the first group's `TOPOLOGY`: sentinel or replication")
	_ = cmd.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions(fleet.Engines(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("topology", cobra.FixedCompletions(fleet.Topologies(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

// parseNodes reads n1=10.0.0.11.
func parseNodes(given []string) ([]setup.Node, error) {
	var out []setup.Node
	for _, text := range given {
		name, address, found := strings.Cut(strings.TrimSpace(text), "=")
		if !found {
			return nil, usagef("--nodes: %q has no address; write it as %s=10.0.0.11", text, text)
		}
		if !fleet.ValidName(name) {
			return nil, usagef("--nodes: %q cannot be the name of a node; use lower-case letters, digits and hyphens", name)
		}
		addr, err := netip.ParseAddr(address)
		if err != nil {
			return nil, usagef("--nodes: %q, the address of %s, is no IP address", address, name)
		}
		out = append(out, setup.Node{Name: name, Address: addr})
	}
	if len(out) == 0 {
		return nil, usagef("which machines the fleet has is not known; name them: --nodes n1=10.0.0.11,n2=10.0.0.12,n3=10.0.0.13")
	}
	return out, nil
}

// initFleet asks Consul before it writes anything, so that a token that may not do
// it leaves nothing behind.
func initFleet(ctx context.Context, plan setup.Plan, conn connection, w io.Writer) error {
	if err := plan.Check(); err != nil {
		return err
	}
	if conn.consul == "" {
		policies, err := writeSetup(w, plan, nil)
		if err != nil {
			return err
		}
		return errors.Join(view.TokenCommands(w, plan, policies), view.AfterInit(w, plan, false))
	}
	client, err := conn.client()
	if err != nil {
		return err
	}
	defer client.Close()
	// The first question for the ACLs: it is refused where the rest would be.
	_, _, err = client.FindToken(ctx, "redfleet")
	without := errors.Is(err, consul.ErrNoACL)
	if err != nil && !without {
		return err
	}
	known, err := client.Nodes(ctx)
	if err != nil {
		return err
	}
	policies, err := writeSetup(w, plan, known)
	if err != nil {
		return err
	}
	if without {
		_, err := fmt.Fprintf(w, "\nConsul at %s has its ACLs switched off: it needs no policies and no tokens.\n", conn.consul)
		return errors.Join(err, view.AfterInit(w, plan, false))
	}
	grants, err := plan.Grant(ctx, client, policies)
	if err != nil {
		return err
	}
	return errors.Join(view.Grants(w, plan, grants), view.AfterInit(w, plan, true))
}

func writeSetup(w io.Writer, plan setup.Plan, known map[netip.Addr]string) ([]policy.Policy, error) {
	policies := policy.All(plan.Fleet, plan.PolicyNodes(known))
	outcomes, err := plan.Write(policies)
	return policies, errors.Join(view.SetupFiles(w, outcomes), err)
}
