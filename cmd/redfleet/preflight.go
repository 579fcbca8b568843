package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/view"
)

// preflightFlags are what the verb can be told.
type preflightFlags struct {
	options  preflight.Options
	conn     connection
	peers    []string
	ignore   []string
	fix, yes bool
	out      output
}

func newPreflight() *cobra.Command {
	var p preflightFlags
	cmd := &cobra.Command{
		Use:   "preflight",
		Short: "Check this machine before redfleet installs anything on it",
		Long: `Checks by name whether this machine can carry what the spec puts on it: engine, ports, kernel settings,
memory, disk, Consul and the token's rights, ports and clocks of the other nodes, names, and what another
installation left behind. All checks run; nothing is changed. The spec is the one of --spec, else the one in
Consul, else the last goal of this node. Before the machine has joined, --node, --address and --peer say what
agent.toml and the other nodes' reports say later.

A port of another node on which nothing listens yet counts as reachable when the node refuses the connection:
silence is what a firewall that drops looks like. With --listen, at the same time on all nodes, the free ports
answer with their node's name, which proves the whole way. It holds the ports for that time.

The agent runs the same checks before it installs a new instance; an error keeps it from that, and from
nothing that runs. preflight_ignore in agent.toml sets checks aside for both, --ignore only here.

Exit codes: 0 no error (there may be warnings) · 3 a check is an error.`,
		Example: `  redfleet preflight
  redfleet preflight --spec fleet.toml --peer n2=10.0.0.12 --peer n3=10.0.0.13
  redfleet preflight --listen 30s               # on all nodes within that time
  redfleet preflight --fix                      # shows what it would set, and asks
  redfleet preflight -o json | jq '.checks[] | select(.status == "error")'`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd) },
	}
	p.flags(cmd)
	return cmd
}

func (p *preflightFlags) flags(cmd *cobra.Command) {
	configFlag(cmd, &p.options.ConfigFile, "/etc/redfleet/agent.toml")
	f := cmd.Flags()
	f.StringVar(&p.options.SpecFile, "spec", "", "the fleet's spec `FILE` (default: the spec in Consul, else this node's last goal)")
	f.StringVar(&p.options.Node, "node", "", "`NAME` of this node, before there is an agent.toml (default: the host name)")
	f.StringVar(&p.options.Address, "address", "", "`ADDRESS` of this node, before there is an agent.toml (default: the only one)")
	f.StringArrayVar(&p.peers, "peer", nil, "`NODE=ADDRESS` of another node that has not reported yet; repeatable")
	f.StringArrayVar(&p.ignore, "ignore", nil, "`NAME` of a check whose warning or error does not count; repeatable")
	f.DurationVar(&p.options.Listen, "listen", 0, "how long this node's free ports answer preflights of other nodes, `TIME` as in 30s")
	f.BoolVar(&p.fix, "fix", false, "show which kernel settings would be set, ask, and set them")
	f.BoolVar(&p.yes, "yes", false, "do not ask")
	_ = cmd.MarkFlagFilename("spec", "toml")
	_ = cmd.RegisterFlagCompletionFunc("ignore", cobra.FixedCompletions(preflight.Names(), cobra.ShellCompDirectiveNoFileComp))
	p.conn.flags(cmd)
	p.out.flag(cmd)
}

func (p *preflightFlags) run(cmd *cobra.Command) error {
	if err := p.settle(); err != nil {
		return err
	}
	in, closeClients, err := preflight.Assemble(cmd.Context(), p.options)
	if err != nil {
		return err
	}
	defer closeClients()
	d, err := p.check(cmd.Context(), in)
	if err != nil {
		return err
	}
	if p.fix {
		if d, err = p.mend(cmd, in, d); err != nil {
			return err
		}
	}
	if p.out.json() {
		err = writeJSON(cmd.OutOrStdout(), d)
	} else {
		err = view.Preflight(cmd.OutOrStdout(), d, style(cmd.OutOrStdout()))
	}
	if err == nil && !d.OK {
		return &exitError{code: exitCheckFailed}
	}
	return err
}

// mend shows what can be set, asks, sets it, and checks once more.
func (p *preflightFlags) mend(cmd *cobra.Command, in *preflight.Input, d preflight.Document) (preflight.Document, error) {
	w := cmd.ErrOrStderr()
	fix := preflight.FixOf(in, d)
	if fix.Empty() {
		fmt.Fprintln(w, "nothing that --fix could set is wrong")
		return d, nil
	}
	if err := view.Fix(w, fix, style(w)); err != nil {
		return d, err
	}
	if !p.yes && !confirmed(cmd.InOrStdin(), w, "Set this?") {
		fmt.Fprintln(w, "nothing was set")
		return d, nil
	}
	told, good := fix.Apply(cmd.Context(), in, effect.New(nil))
	for _, line := range told {
		fmt.Fprintln(w, line)
	}
	if !good {
		fmt.Fprintln(w, "not all of it is in force; a process that runs keeps what it had")
	}
	return p.check(cmd.Context(), in)
}

// confirmed asks; only a plain yes is one.
func confirmed(in io.Reader, w io.Writer, question string) bool {
	fmt.Fprintf(w, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(in).ReadString('\n') // no answer is no yes
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

func (p *preflightFlags) check(ctx context.Context, in *preflight.Input) (preflight.Document, error) {
	ignore := slices.Concat(p.ignore, in.Config.PreflightIgnore)
	if p.options.Listen > 0 {
		return preflight.RunListening(ctx, in, ignore)
	}
	return preflight.Run(ctx, in, ignore), nil
}

// settle looks at the flags before anything else happens.
func (p *preflightFlags) settle() error {
	if err := preflight.CheckNames(p.ignore); err != nil {
		return usagef("--ignore: %w", err)
	}
	if p.fix && p.options.Listen > 0 {
		return usagef("--fix and --listen are two things: run one after the other")
	}
	if p.fix && p.out.json() && !p.yes {
		return usagef("--fix asks before it sets anything, which -o json leaves no room for; give --yes too")
	}
	p.options.Peers = map[string]string{}
	for _, text := range p.peers {
		node, address, _ := strings.Cut(text, "=")
		if _, err := netip.ParseAddr(address); err != nil || !fleet.ValidName(node) {
			return usagef("%q is no peer; write NODE=ADDRESS, as in n2=10.0.0.12", text)
		}
		p.options.Peers[node] = address
	}
	if p.options.Listen < 0 || p.options.Listen > 10*time.Minute {
		return usagef("--listen %v: give a time up to 10m, as in 30s", p.options.Listen)
	}
	p.options.Fleet, p.options.ConsulAddress, p.options.TokenFile = p.conn.fleet, p.conn.consul, p.conn.tokenFile
	return nil
}
