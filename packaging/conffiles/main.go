// Command conffiles writes agent.toml and coordinator.toml into a folder as the
// packages ship them: every key explained, none of them set.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/redfleet/redfleet/internal/specfile"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: conffiles DIR")
		os.Exit(64)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "conffiles:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"agent.toml":       specfile.CommentedAgent(specfile.AgentConfig{}),
		"coordinator.toml": specfile.CommentedCoordinator(specfile.CoordinatorConfig{}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
