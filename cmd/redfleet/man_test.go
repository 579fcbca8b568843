package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Each verb that help shows has a page, and nothing else has one.
func TestEachVerbHasAManualPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	redfleet(t, "man", dir, "--date", "2026-01-31").want(t, exitGood, "", "")
	var want []string
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		want = append(want, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "help" {
				walk(sub)
			}
		}
	}
	walk(newRoot(io.Discard, io.Discard))
	slices.Sort(want)
	var got []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages are\n%q\nwant\n%q", got, want)
	}
	for _, hidden := range []string{"redfleet-devconsul.1", "redfleet-help.1"} {
		if slices.Contains(got, hidden) {
			t.Errorf("there is a page %s", hidden)
		}
	}
	again := filepath.Join(t.TempDir(), "again")
	redfleet(t, "man", again, "--date", "2026-01-31").want(t, exitGood, "", "")
	for _, name := range got {
		a, errA := os.ReadFile(filepath.Join(dir, name))
		b, errB := os.ReadFile(filepath.Join(again, name))
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%s differs between two runs (%v, %v)", name, errA, errB)
		}
	}
}

// groff, which `man` uses, has nothing to object to on any page; a page with a
// request that does not exist shows that it would.
func TestManualPagesRender(t *testing.T) {
	dir := t.TempDir()
	redfleet(t, "man", dir).want(t, exitGood, "", "")
	if err := os.WriteFile(filepath.Join(dir, "planted.1"), []byte(".TH X 1\n.SH NAME\nx \\- y\n\\f[NOSUCH]z\n.nosuchrequest\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		cmd := exec.Command("man", "--warnings", "--encoding=UTF-8", "--local-file", page)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=100", "MANROFFSEQ=")
		var warnings strings.Builder
		cmd.Stderr = &warnings
		out, err := cmd.Output()
		planted := filepath.Base(page) == "planted.1"
		switch {
		case err != nil || !strings.Contains(string(out), "NAME"):
			t.Errorf("man %s: %v: %s", filepath.Base(page), err, out)
		case (warnings.Len() > 0) != planted:
			t.Errorf("man %s: warnings %q", filepath.Base(page), warnings.String())
		}
	}
}

func TestManRefusesWhatIsNoDay(t *testing.T) {
	redfleet(t, "man", t.TempDir(), "--date", "tomorrow").want(t, exitUsage, "", `--date is "tomorrow"`)
}
