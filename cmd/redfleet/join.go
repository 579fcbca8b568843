package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/join"
	"github.com/redfleet/redfleet/systemd"
)

// joinFlags are what the verb can be told.
type joinFlags struct {
	options       join.Options
	engine        string
	installEngine bool
	yes           bool
	ignore        []string
	timeout       time.Duration
}

func newJoin() *cobra.Command {
	var j joinFlags
	cmd := &cobra.Command{
		Use:   "join --key FILE",
		Short: "Make this machine a member of a fleet",
		Long: `Makes this machine a member of a fleet, in one command, as root: looks at the key, Consul, the token's rights,
the name and the address, and at the machine itself (redfleet preflight), before it writes anything; installs
key, token, agent.toml and, with --coordinator, coordinator.toml into /etc/redfleet; starts the daemons, and
waits until the fleet sees the machine. No Redis is started before a spec asks for one.

The node's name is the host name, its address the one that Consul's agent advertises, where they are not
given. Where a file is there and says something else, it is refused; --force replaces it and keeps the old one
beside. Settings of agent.toml that join does not touch stay. Run again, it goes on where it was cut off.

A machine without Redis or Valkey: --install-engine has apt install it, in a systemd unit of its own, with the
distribution's own Redis units masked so that nothing starts on 6379.

Exit codes: 0 the machine is a member · 1 refused · 3 preflight found an error · 5 another machine has the name
· 6 Consul cannot be reached, or the agent did not report in time.`,
		Example: `  redfleet join --key fleet.key --consul 127.0.0.1:8500
  redfleet join --key fleet.key --token-file agent-n1.token --node n1 --address 10.0.0.11 --install-engine
  redfleet join --key fleet.key --coordinator --coordinator-token-file coordinator.token --token-file agent-n1.token`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := j.settle(); err != nil {
				return err
			}
			r := joining{flags: j, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), tell: func(text string) {
				_, _ = fmt.Fprintln(cmd.ErrOrStderr(), text) // progress; there is nobody else to tell
			}}
			return r.run(cmd.Context())
		},
	}
	j.bind(cmd)
	return cmd
}

func (j *joinFlags) bind(cmd *cobra.Command) {
	f, o := cmd.Flags(), &j.options
	f.StringVar(&o.KeyFile, "key", "", "`FILE` with the fleet's key, as redfleet init made it")
	f.StringVar(&o.Consul, "consul", "", "`ADDRESS` of Consul, host:port or URL (default 127.0.0.1:8500)")
	f.StringVar(&o.TokenFile, "token-file", "", "`FILE` with the Consul token of this node's agent")
	f.StringVar(&o.Fleet, "fleet", "", "`NAME` of the fleet (default: as the key says)")
	f.StringVar(&o.Node, "node", "", "`NAME` of this node (default: the host name)")
	f.StringVar(&o.Address, "address", "", "`ADDRESS` at which the other nodes reach this one (default: as Consul's agent advertises)")
	f.BoolVar(&o.Coordinator, "coordinator", false, "run a coordinator on this machine too")
	f.StringVar(&o.CoordinatorToken, "coordinator-token-file", "", "`FILE` with the coordinator's Consul token (default: the agent's)")
	f.StringVar(&j.engine, "engine", "", "`ENGINE` that this machine needs: redis or valkey (default: any)")
	f.BoolVar(&j.installEngine, "install-engine", false, "install the engine through apt where it is missing")
	f.StringArrayVar(&j.ignore, "ignore", nil, "`NAME` of a preflight check whose error does not count; repeatable")
	f.BoolVar(&o.Force, "force", false, "replace files that say something else, and keep them beside")
	f.BoolVar(&j.yes, "yes", false, "do not ask: install the engine where it is missing")
	f.DurationVar(&j.timeout, "timeout", time.Minute, "how long to wait for the agent's first report, `TIME` as in 30s")
	_ = cmd.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions(fleet.Engines(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("ignore", cobra.FixedCompletions(preflight.Names(), cobra.ShellCompDirectiveNoFileComp))
}

// settle looks at the flags before anything else happens.
func (j *joinFlags) settle() error {
	switch {
	case j.options.KeyFile == "":
		return usagef("which fleet to join is not known: name its key with --key FILE (redfleet init makes one)")
	case j.engine != "" && !slices.Contains(fleet.Engines(), j.engine):
		return usagef("unknown engine %q%s; known are %s", j.engine, didYouMean(j.engine, fleet.Engines()), strings.Join(fleet.Engines(), ", "))
	}
	for _, name := range j.ignore {
		if !slices.Contains(preflight.Names(), name) {
			return usagef("unknown check %q%s; known are %s", name, didYouMean(name, preflight.Names()), strings.Join(preflight.Names(), ", "))
		}
	}
	if os.Geteuid() != 0 {
		return errors.New("it writes to /etc/redfleet and starts services: run it as root, as in: sudo redfleet join …")
	}
	return nil
}

// joining is one run of the verb.
type joining struct {
	flags joinFlags
	in    io.Reader
	out   io.Writer
	tell  func(string)
}

func (r joining) run(ctx context.Context) error {
	o := r.flags.options
	o.Tell = func(err error) { r.tell(fmt.Sprintf("%v; asking again for up to %s", err, consul.Patience)) }
	plan, err := join.Prepare(ctx, o)
	if errors.Is(err, join.ErrTaken) {
		return &exitError{exitLocked, err}
	}
	if err != nil {
		return err
	}
	a := plan.Agent
	r.tell(fmt.Sprintf("fleet %s, node %s at %s (%s), Consul at %s", a.Fleet, a.Node, a.Address, plan.AddressFrom, a.Consul.Address))
	for _, note := range plan.Notes {
		r.tell("note: " + note)
	}
	units, err := systemd.Dial(ctx)
	if err != nil {
		return err
	}
	defer units.Close()
	if err := plan.Installed(ctx, units); err != nil {
		return err
	}
	missing, err := r.engineToInstall(ctx, plan)
	if err != nil {
		return err
	}
	if err := r.preflight(ctx, plan, missing != ""); err != nil {
		return err
	}
	if missing != "" {
		found, err := join.InstallEngine(ctx, units, missing, r.tell)
		if err != nil {
			return err
		}
		r.tell("installed " + found.String())
	}
	return r.carryOut(ctx, plan, units)
}

// carryOut writes, starts, and waits for the fleet to see the machine.
func (r joining) carryOut(ctx context.Context, plan *join.Plan, units *systemd.Manager) error {
	if err := plan.Write(ctx); err != nil {
		return err
	}
	for _, f := range plan.Files {
		kept := ""
		if f.Backup != "" {
			kept = "; what was there is " + f.Backup
		}
		r.tell("wrote " + f.Path + kept)
	}
	if err := plan.Start(ctx, units); err != nil {
		return err
	}
	r.tell("started " + strings.Join(plan.Daemons(), ", "))
	limited, cancel := context.WithTimeout(ctx, r.flags.timeout)
	defer cancel()
	if err := plan.Await(limited, units, r.tell); err != nil {
		return err
	}
	a := plan.Agent
	_, err := fmt.Fprintf(r.out, "node %s is a member of fleet %s, at %s\n", a.Node, a.Fleet, a.Address)
	r.tell(fmt.Sprintf("next: redfleet apply fleet.toml once all its nodes have joined; then redfleet status --fleet %s", a.Fleet))
	return err
}

// engineToInstall is the engine that apt is to install, empty for none. One that is
// missing and not to be installed is left to preflight, which can be told to pass it
// over.
func (r joining) engineToInstall(ctx context.Context, plan *join.Plan) (string, error) {
	paths := map[string]string{fleet.EngineRedis: plan.Agent.RedisServer, fleet.EngineValkey: plan.Agent.ValkeyServer}
	missing, err := join.MissingEngine(ctx, r.flags.engine, fleet.Engines(), paths)
	switch {
	case err != nil || missing == "":
		return "", err
	case r.flags.installEngine, r.flags.yes:
		return missing, nil
	case slices.Contains(r.flags.ignore, "engine"):
		return "", nil
	case !isTerminal(r.in):
		return "", fmt.Errorf("%s is not installed on this machine: add --install-engine to have apt install it, or --ignore engine to join without", missing)
	}
	r.tell(fmt.Sprintf("%s is not installed on this machine. Install it through apt now? [y/N]", missing))
	answer, err := bufio.NewReader(r.in).ReadString('\n')
	if err != nil || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
		return "", fmt.Errorf("%s is not installed; nothing was changed", missing)
	}
	return missing, nil
}

// preflight looks at the machine; what is only missing because joining has not
// happened yet does not count.
func (r joining) preflight(ctx context.Context, plan *join.Plan, installs bool) error {
	a := plan.Agent
	in, closeClients, err := preflight.Assemble(ctx, preflight.Options{
		ConfigFile: filepath.Join(join.Etc, "agent.toml"), Fleet: a.Fleet, Node: a.Node, Address: a.Address,
		ConsulAddress: a.Consul.Address, TokenFile: r.flags.options.TokenFile,
	})
	if err != nil {
		return err
	}
	defer closeClients()
	passed := []string{"config", "rights"} // what joining makes, and has looked at itself
	if installs {
		passed = append(passed, "engine")
	}
	d := preflight.Run(ctx, in, slices.Concat(r.flags.ignore, a.PreflightIgnore, passed))
	for _, c := range d.Checks {
		if c.Status != preflight.Error && c.Status != preflight.Warning {
			continue
		}
		r.tell(fmt.Sprintf("%s: %s: %s", c.Status, c.Name, c.Found))
		if c.Do != "" {
			r.tell("  do: " + c.Do)
		}
	}
	if !d.OK {
		return &exitError{exitCheckFailed, fmt.Errorf("this machine cannot carry an instance as it is (%s); nothing was changed. Mend it, or pass a check over with --ignore NAME",
			count(d.Errors, "error"))}
	}
	return nil
}
