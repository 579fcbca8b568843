package machine

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// addEngines brings the engines that debootstrap alone does not bring, by the
// image's own apt: it may mix suites, and refuses what does not go together.
func addEngines(ctx context.Context, dir string, r recipe) error {
	from, packages, err := r.added()
	if err != nil || from == "" {
		return err
	}
	mirror, err := mirror(os.DirFS("/etc/apt"), r.suite)
	if err != nil {
		return err
	}
	mode := "install"
	if r.engines == NoEngines {
		mode = "download"
	}
	argv := append([]string{"chroot", dir, "/bin/sh", "-s", mode, mirror, from}, packages...)
	if err := Isolated(ctx, strings.NewReader(enginesScript), argv...); err != nil {
		return fmt.Errorf("packages of %s for %s: %w", from, r.suite, err)
	}
	return nil
}
