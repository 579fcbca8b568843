package specfile

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

var update = flag.Bool("update", false, "write what the reader says now into testdata")

// TestBadInput holds each file of testdata/bad against the exact messages
// beside it. A file's name begins with its kind: agent, coordinator or spec.
// These pairs are the documentation of bad input.
func TestBadInput(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of bad input: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			t.Parallel()
			got := messages(t, file)
			golden := strings.TrimSuffix(file, ".toml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("messages differ (-want +got):\n%s", diff)
			}
		})
	}
}

// messages reads a file by its kind and gives all that was said, a line each.
func messages(t *testing.T, file string) string {
	t.Helper()
	var warnings []fleet.Problem
	var err error
	switch base := filepath.Base(file); {
	case strings.HasPrefix(base, "agent"):
		_, err = ReadAgent(file)
	case strings.HasPrefix(base, "coordinator"):
		_, err = ReadCoordinator(file, "")
	default:
		_, warnings, err = ReadSpec(file)
	}
	var out strings.Builder
	if err != nil {
		var problems *Error
		if !errors.As(err, &problems) || len(problems.Problems) == 0 {
			t.Fatalf("want an *Error with problems, got %T: %v", err, err)
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			out.WriteString("error: " + shortName(line, file) + "\n")
		}
	}
	for _, w := range warnings {
		out.WriteString("warning: " + shortName(Format(file, w), file) + "\n")
	}
	if out.Len() == 0 {
		t.Fatalf("%s: nothing was found wrong", file)
	}
	return out.String()
}

func shortName(line, file string) string { return strings.Replace(line, file, filepath.Base(file), 1) }
