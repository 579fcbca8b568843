package machinetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/e2e/machine"
)

// packageVariable names a package that was built already; `make e2e` sets it.
const packageVariable = "REDFLEET_DEB"

// packagePath is where the package lies on a node.
const packagePath = "/root/redfleet.deb"

// Package is the path of the package for the machines: what REDFLEET_DEB names,
// else what `make deb` builds.
func Package(ctx context.Context, t testing.TB) string {
	t.Helper()
	if path := os.Getenv(packageVariable); path != "" {
		return path
	}
	root := moduleRoot(t)
	var stdout, stderr strings.Builder
	build := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", root, "deb")
	build.Stdout, build.Stderr = &stdout, &stderr
	if err := build.Run(); err != nil {
		t.Fatalf("make deb: %v\n%s%s", err, &stdout, &stderr)
	}
	lines := strings.Fields(stdout.String()) // the last one is the package
	path := filepath.Join(root, lines[len(lines)-1])
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("make deb names no package: %v\n%s", err, &stdout)
	}
	return path
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	check(t, err)
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("there is no go.mod above the working folder")
		}
	}
}

// Install puts the package on the nodes, on all where none is named, by dpkg.
func (f *Fleet) Install(ctx context.Context, t testing.TB, nodes ...*machine.Node) {
	t.Helper()
	if len(nodes) == 0 {
		nodes = f.Nodes
	}
	f.install(ctx, t, Package(ctx, t), nodes)
}

func (f *Fleet) install(ctx context.Context, t testing.TB, path string, nodes []*machine.Node) {
	t.Helper()
	deb, err := os.ReadFile(path)
	check(t, err)
	f.Each(t, nodes, func(n *machine.Node) error {
		if err := n.PutFile(ctx, packagePath, deb, 0o644); err != nil {
			return err
		}
		if _, err := run(ctx, n, "dpkg", "--install", packagePath); err != nil {
			return fmt.Errorf("installing the package: %w", err)
		}
		return nil
	})
}
