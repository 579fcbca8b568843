package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/view"
)

// connection says which fleet a verb speaks of and how it reaches Consul.
type connection struct {
	fleet, consul, tokenFile, key string
	// tell hears why a verb waits; nil for nobody.
	tell func(string)
}

// flags of every verb that reads Consul. The environment stands in for a flag
// that is not given, so that `. DIR/env` is enough.
func (c *connection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.fleet, "fleet", "", "`NAME` of the fleet ($REDFLEET_FLEET)")
	f.StringVar(&c.consul, "consul", "", "`ADDRESS` of Consul, host:port or URL ($CONSUL_HTTP_ADDR, else 127.0.0.1:8500)")
	f.StringVar(&c.tokenFile, "token-file", "", "`FILE` with the Consul token ($CONSUL_HTTP_TOKEN_FILE)")
	c.tell = func(text string) { _, _ = fmt.Fprintln(cmd.ErrOrStderr(), text) } // there is nobody else to tell
}

// keyFlag is for verbs that open or seal a secret.
func (c *connection) keyFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.key, "key", "", "`FILE` with the fleet's key ($REDFLEET_KEY_FILE, else /etc/redfleet/fleet.key)")
}

// fleetName is the fleet that the operator means.
func (c *connection) fleetName() (string, error) {
	name := cmp.Or(c.fleet, os.Getenv("REDFLEET_FLEET"))
	switch {
	case name == "":
		return "", usagef("which fleet is not known; name it with --fleet or REDFLEET_FLEET (for a lab: . .lab/env)")
	case !fleet.ValidName(name):
		return "", usagef("%q cannot be the name of a fleet; names are lower-case letters, digits and hyphens", name)
	}
	return name, nil
}

// client speaks to Consul. Address and token come from the flags, else from
// Consul's own environment variables.
func (c *connection) client() (*consul.Client, error) {
	return consul.New(consul.Options{Address: c.consul, TokenFile: c.tokenFile})
}

func (c *connection) loadKey() (secret.Key, error) {
	return secret.LoadKey(cmp.Or(c.key, os.Getenv("REDFLEET_KEY_FILE"), "/etc/redfleet/fleet.key"))
}

// world is a fleet as it is now, with the verdicts on its groups.
type world struct {
	name   string
	world  fleet.World
	groups []fleet.Assessment
}

// load reads all of a fleet at once. It only reads (hazard K6), and waits for a Consul
// that has no leader at the moment.
func (c *connection) load(ctx context.Context) (out world, err error) {
	err = c.patiently(ctx, func(ctx context.Context) (err error) {
		out, err = c.loadNow(ctx)
		return err
	})
	return out, err
}

// patiently repeats what only reads while Consul is between two leaders.
func (c *connection) patiently(ctx context.Context, read func(context.Context) error) error {
	return consul.Patiently(ctx, func(err error) {
		if c.tell != nil {
			c.tell(fmt.Sprintf("%v; asking again for up to %s", err, consul.Patience))
		}
	}, read)
}

// loadNow is load, without waiting.
func (c *connection) loadNow(ctx context.Context) (world, error) {
	name, err := c.fleetName()
	if err != nil {
		return world{}, err
	}
	client, err := c.client()
	if err != nil {
		return world{}, err
	}
	defer client.Close()
	w, err := records.LoadWorld(ctx, client, name, time.Now(), true)
	return world{name: name, world: w, groups: assess.Fleet(w)}, err
}

// group refuses the name of a group that the fleet does not have.
func (w world) group(name string) error {
	var known []string
	for _, g := range w.groups {
		if g.Name == name {
			return nil
		}
		known = append(known, g.Name)
	}
	return usagef("fleet %q has no group %q%s", w.name, name, didYouMean(name, known))
}

// output is the -o flag.
type output string

func (o *output) flag(cmd *cobra.Command) {
	*o = "table"
	cmd.Flags().VarP(o, "output", "o", "table or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// String, Set and Type make it a flag that takes only what it knows.
func (o *output) String() string { return string(*o) }

// Set takes table or json.
func (o *output) Set(s string) error {
	if s != "table" && s != "json" {
		return usagef("unknown output %q%s; known are table and json", s, didYouMean(s, []string{"table", "json"}))
	}
	*o = output(s)
	return nil
}

// Type is the word in the help text.
func (o *output) Type() string { return "FORMAT" }

func (o *output) json() bool { return *o == "json" }

// writeJSON writes one document, indented for people who look into it.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// style is how tables look on w: in colour on a terminal, unless NO_COLOR says
// otherwise (https://no-color.org).
func style(w io.Writer) view.Style {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return view.Style{}
	}
	s := view.Style{Color: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
		s.Width = int(size.Col)
	}
	return s
}

// isTerminal is for an output or an input.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
