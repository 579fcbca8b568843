//go:build e2e

package debian

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

// variant is the package under test, taken apart, changed and put together again.
type variant struct {
	version string
	// fail is the maintainer script that ends with an error before it does anything.
	fail string
	// conffile is what agent.toml ends with.
	conffile string
}

func (v variant) build(ctx context.Context, t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	command(ctx, t, nil, "dpkg-deb", "--raw-extract", machinetest.Package(ctx, t), dir)
	change(t, filepath.Join(dir, "DEBIAN/control"), func(text string) string {
		before, rest, _ := strings.Cut(text, "\nVersion: ")
		_, after, _ := strings.Cut(rest, "\n")
		return before + "\nVersion: " + v.version + "\n" + after
	})
	if v.fail != "" {
		change(t, filepath.Join(dir, "DEBIAN", v.fail), func(text string) string {
			return strings.Replace(text, "set -e\n", "set -e\necho 'planted: this "+v.fail+" fails' >&2; exit 1\n", 1)
		})
	}
	if v.conffile != "" {
		change(t, filepath.Join(dir, "etc/redfleet/agent.toml"), func(text string) string { return text + v.conffile })
	}
	deb := filepath.Join(t.TempDir(), "variant.deb")
	command(ctx, t, nil, "dpkg-deb", "--build", "--root-owner-group", "-Zgzip", "-z1", dir, deb)
	return deb
}

func change(t testing.TB, path string, edit func(string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	info, err := os.Stat(path)
	check(t, err)
	changed := edit(string(text))
	if changed == string(text) {
		t.Fatalf("%s stays as it is", path)
	}
	check(t, os.WriteFile(path, []byte(changed), info.Mode()))
}
