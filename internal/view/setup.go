package view

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/redfleet/redfleet/internal/policy"
	"github.com/redfleet/redfleet/internal/setup"
)

// SetupFiles says what became of each file of `redfleet init`.
func SetupFiles(w io.Writer, outcomes []setup.Outcome) error {
	var b strings.Builder
	for _, o := range outcomes {
		switch {
		case o.Beside != "":
			fmt.Fprintf(&b, "kept   %s  (it was there; what it should say now is in %s)\n", o.Path, o.Beside)
		case o.Differs:
			fmt.Fprintf(&b, "kept   %s  (it was there and says something else than init would write)\n", o.Path)
		case o.New:
			fmt.Fprintf(&b, "made   %s\n", o.Path)
		default:
			fmt.Fprintf(&b, "there  %s\n", o.Path)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Grants says what Consul has now. The tokens themselves are in their files only
// (promise secrets-stay-secret).
func Grants(w io.Writer, plan setup.Plan, grants []setup.Grant) error {
	var b strings.Builder
	for _, g := range grants {
		switch {
		case g.Differs:
			fmt.Fprintf(&b, "kept   Consul's policy %s  (it has other rules than redfleet's; to take these:\n"+
				"       consul acl policy update -name %s -rules @%s)\n", g.Policy.Name(), g.Policy.Name(), plan.RulesFile(g.Policy.Title()))
		case g.NewPolicy:
			fmt.Fprintf(&b, "made   Consul's policy %s\n", g.Policy.Name())
		default:
			fmt.Fprintf(&b, "there  Consul's policy %s\n", g.Policy.Name())
		}
		state := "there"
		if g.NewToken {
			state = "made "
		}
		fmt.Fprintf(&b, "%s  its token in %s\n", state, g.File)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// TokenCommands are what somebody whose token may write Consul's ACLs has to run
// where init was given no such token.
func TokenCommands(w io.Writer, plan setup.Plan, policies []policy.Policy) error {
	var b strings.Builder
	b.WriteString("\nWhere Consul has its ACLs on, run this with a token that has the right `acl write`; or run redfleet init\n" +
		"again with --consul and such a token in --token-file, which does the same:\n\n")
	fmt.Fprintf(&b, "  mkdir -p -m 700 %s\n", filepath.Dir(plan.TokenFile("x")))
	for _, p := range policies {
		fmt.Fprintf(&b, "  consul acl policy create -name %s -rules @%s\n", p.Name(), plan.RulesFile(p.Title()))
		fmt.Fprintf(&b, "  (umask 077; consul acl token create -description %s -policy-name %s -format json | jq -r .SecretID > %s)\n",
			p.Name(), p.Name(), plan.TokenFile(p.Title()))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// coordinators is on how many machines init proposes one.
const coordinators = 3

// AfterInit is what to do with a fleet's folder; with tokens, where each machine
// needs its own.
func AfterInit(w io.Writer, plan setup.Plan, tokens bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nKeep a copy of %s in a safe place: nothing else opens the fleet's passwords.\n", plan.KeyFile())
	b.WriteString("\nNext, as root on each machine, with these files copied there:\n\n")
	for i, n := range plan.Nodes {
		line := fmt.Sprintf("  redfleet join --key fleet.key --consul 127.0.0.1:8500 --node %s --address %s", n.Name, n.Address)
		if tokens {
			line += fmt.Sprintf(" --token-file agent-%s.token", n.Name)
		}
		if i < coordinators {
			line += " --coordinator"
			if tokens {
				line += " --coordinator-token-file coordinator.token"
			}
		}
		b.WriteString(line + "\n")
	}
	token := ""
	if tokens {
		token = " --token-file " + plan.TokenFile(policy.RoleOperator)
	}
	fmt.Fprintf(&b, "\nand then here:\n\n  redfleet apply %s --key %s%s\n  redfleet status --fleet %s%s --watch\n",
		filepath.Join(plan.Dir, "fleet.toml"), plan.KeyFile(), token, plan.Fleet, token)
	_, err := io.WriteString(w, b.String())
	return err
}
