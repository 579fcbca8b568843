package systemd

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestASentinelThatWatchesNothingDoesNotStart: what the shipped unit runs first takes
// a file that watches a master, and no other. Sentinel itself would take one that
// begins with a zero byte for an empty one, and serve (promise sentinel-state-kept).
func TestASentinelThatWatchesNothingDoesNotStart(t *testing.T) {
	t.Parallel()
	unit, err := files.ReadFile("redfleet-sentinel@.service")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(unit), "\nExecStartPre=")
	command, _, _ := strings.Cut(rest, "\n")
	for name, tc := range map[string]struct {
		conf  string
		start bool
	}{
		"as Sentinel writes it": {"port 26379\nsentinel myid 1\nsentinel monitor main 198.51.100.11 6379 2\n", true},
		"by hand":               {"SENTINEL  monitor\tmain 198.51.100.11 6379 2\n", true},
		"damaged further down":  {"sentinel monitor main 198.51.100.11 6379 2\n\x00\x00", true}, // Sentinel's to judge
		"empty":                 {"", false},
		"begins with a zero":    {"\x00 this is no file of anybody \xff", false},
		"watches nothing":       {"port 26379\nsentinel myid 1\n", false},
		"only in a comment":     {"# sentinel monitor main 198.51.100.11 6379 2\n", false},
		"no file":               {"-", false},
	} {
		dir := t.TempDir()
		if tc.conf != "-" {
			if err := os.WriteFile(filepath.Join(dir, "sentinel.conf"), []byte(tc.conf), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", command) //nolint:gosec // the shipped unit's line
		cmd.Dir = dir
		if err := cmd.Run(); (err == nil) != tc.start {
			t.Errorf("%s: %s: %v, want a start: %v", name, command, err, tc.start)
		}
	}
}
