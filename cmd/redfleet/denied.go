package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/join"
	"github.com/redfleet/redfleet/internal/policy"
)

// wayOn is what to do about a call that Consul refused: the shipped policy that has
// the missing right, and the command that gives it to the token. Empty for any other
// error.
func wayOn(cmd *cobra.Command, err error) string {
	var token *join.TokenError
	if !errors.Is(err, consul.ErrDenied) || errors.As(err, &token) { // the latter says it itself
		return ""
	}
	var d *consul.DeniedError
	if !errors.As(err, &d) {
		return "next: name a file with a token that this Consul knows in --token-file; `redfleet init --consul ADDRESS` makes one for each role"
	}
	if len(d.Rights) > 0 && d.Rights[0].Resource == "acl" {
		return "next: give a management token in --token-file, or leave --consul out to have the consul commands printed for somebody who has one"
	}
	name := fleetOf(cmd, d.Rights)
	p, found := policy.Least(name, policy.Node{}, d.Rights...)
	if !found || p.Role == policy.RoleAgent || p.Role == policy.RoleCoordinator {
		return "next: `redfleet init --consul ADDRESS` makes a policy and a token for each role; use the one that is meant for this"
	}
	if d.Accessor == "" {
		return fmt.Sprintf("next: name the file of a token with the policy %s in --token-file; `redfleet init --fleet %s --consul ADDRESS …` makes both (tokens/%s.token)",
			p.Name(), name, p.Title())
	}
	return fmt.Sprintf("next: consul acl token update -accessor-id %s -append-policy-name %s   (`redfleet init --consul ADDRESS` makes that policy)",
		d.Accessor, p.Name())
}

// fleetOf is the fleet that a refused right is about.
func fleetOf(cmd *cobra.Command, rights []consul.Right) string {
	for _, r := range rights {
		if rest, ok := strings.CutPrefix(r.Name, "redfleet/"); ok && r.Resource == "key" {
			name, _, _ := strings.Cut(rest, "/")
			return name
		}
	}
	given := ""
	if f := cmd.Flags().Lookup("fleet"); f != nil {
		given = f.Value.String()
	}
	return cmp.Or(given, os.Getenv("REDFLEET_FLEET"))
}
