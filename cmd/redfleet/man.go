package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/redfleet/redfleet/internal/manpage"
)

func newMan() *cobra.Command {
	var date string
	cmd := &cobra.Command{
		Use:   "man DIR",
		Short: "Write a manual page for each verb into a folder",
		Long: `Writes a manual page for each verb into a folder, which is made where it is not there. The packages of
redfleet bring these pages along; this verb is for who installed the binary alone.`,
		Example: `  redfleet man /usr/local/share/man/man1
  man redfleet-status`,
		Args: args("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			when, err := time.Parse(time.DateOnly, date)
			if err != nil {
				return usagef("--date is %q; want a day such as 2026-01-31", date)
			}
			return writeManPages(cmd.Root(), args[0], when)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVar(&date, "date", time.Now().UTC().Format(time.DateOnly), "the `DAY` in the pages' footers (default: today)")
	cmd.Flags().Lookup("date").DefValue = "" // help and pages must be the same on each day
	return cmd
}

// writeManPages writes <dir>/<verb>.1 for cmd and every verb below it that help
// shows.
func writeManPages(cmd *cobra.Command, dir string, date time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the folder for the manual pages: %w", err)
	}
	page := manPage(cmd)
	var text strings.Builder
	if err := page.Write(&text, date); err != nil {
		return fmt.Errorf("the manual page %s: %w", page.Name, err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, page.Name+".1"), []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("the manual page %s: %w", page.Name, err)
	}
	for _, sub := range cmd.Commands() {
		if !hasManPage(sub) {
			continue
		}
		if err := writeManPages(sub, dir, date); err != nil {
			return err
		}
	}
	return nil
}

// hasManPage is false for hidden verbs, and for help, which is no verb of ours.
func hasManPage(cmd *cobra.Command) bool { return !cmd.Hidden && cmd.Name() != "help" }

func manPage(cmd *cobra.Command) manpage.Page {
	p := manpage.Page{
		Name:        manName(cmd),
		Summary:     strings.ToLower(cmd.Short[:1]) + cmd.Short[1:],
		Synopsis:    []string{cmd.UseLine()},
		Description: cmd.Long,
		Examples:    cmd.Example,
	}
	if p.Description == "" {
		p.Description = cmd.Short + "."
	}
	verbs := manpage.Section{Title: "COMMANDS"}
	for _, sub := range cmd.Commands() {
		if hasManPage(sub) {
			verbs.Items = append(verbs.Items, manpage.Item{Term: sub.CommandPath(), Text: sub.Short + "."})
			p.SeeAlso = append(p.SeeAlso, manName(sub))
		}
	}
	p.Sections = []manpage.Section{verbs,
		manOptions("OPTIONS", cmd.NonInheritedFlags()),
		manOptions("INHERITED OPTIONS", cmd.InheritedFlags())}
	if cmd.HasParent() {
		p.SeeAlso = append([]string{manName(cmd.Parent())}, p.SeeAlso...)
	}
	return p
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func manOptions(title string, flags *pflag.FlagSet) manpage.Section {
	s := manpage.Section{Title: title}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		term := "--" + f.Name
		if f.Shorthand != "" {
			term = "-" + f.Shorthand + ", " + term
		}
		if value != "" {
			term += " " + value
		}
		if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
			text += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		s.Items = append(s.Items, manpage.Item{Term: term, Text: text})
	})
	return s
}
