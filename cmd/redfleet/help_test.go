package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEachVerbHasHelpWithExamples(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		t.Run(strings.ReplaceAll(cmd.CommandPath(), " ", "_"), func(t *testing.T) {
			if cmd.Short == "" || !strings.Contains(cmd.Example, "redfleet") {
				t.Errorf("help without a description (%q) or an example (%q)", cmd.Short, cmd.Example)
			}
			args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
			redfleet(t, args...).want(t, exitGood, "Examples:", "")
		})
		for _, sub := range cmd.Commands() {
			if sub.Name() != "help" {
				walk(sub)
			}
		}
	}
	walk(newRoot(io.Discard, io.Discard))
}

func TestAloneItShowsItsHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"lab"}, {"spec"}, {"credentials"}} {
		redfleet(t, args...).want(t, exitGood, "Usage:", "")
	}
}

func TestVersion(t *testing.T) {
	redfleet(t, "version").want(t, exitGood, "redfleet ", "")
	var b build
	if err := json.Unmarshal([]byte(redfleet(t, "version", "-o", "json").stdout), &b); err != nil {
		t.Fatal(err)
	}
	if b.Version == "" || !strings.HasPrefix(b.Go, "go") || !strings.Contains(b.Platform, "/") {
		t.Errorf("version: %+v", b)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		redfleet(t, "completion", shell).want(t, exitGood, "redfleet", "")
	}
	redfleet(t, "__complete", "lab", "kill", "n1", "--only", "").want(t, exitGood, "sentinel", "")
	redfleet(t, "__complete", "devc").want(t, exitGood, ":", "") // hidden verbs are not offered
	if out := redfleet(t, "__complete", "de"); strings.Contains(out.stdout, "devconsul") {
		t.Errorf("a hidden verb is offered: %s", out.stdout)
	}

	s := newSite(t)
	s.put(s.keys.Spec(), shopRecord())
	out := redfleet(t, "__complete", "verify", "--consul", s.address, "--fleet", "shop", "")
	out.want(t, exitGood, "main\n", "")
}
