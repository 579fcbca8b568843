//go:build e2e

package debian

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

// TestContents reads the package as dpkg does: each path with owner and mode, and
// what dpkg asks before it replaces.
func TestContents(t *testing.T) {
	ctx := machinetest.Context(t, 2*time.Minute)
	deb := machinetest.Package(ctx, t)
	list := regexp.MustCompile(`(?m)^(\S+) (\S+) +\d+ \S+ \S+ \.(/.*)$`).
		ReplaceAllString(command(ctx, t, nil, "dpkg-deb", "--contents", deb), "$1 $2 $3")
	var got strings.Builder
	for line := range strings.Lines(list) {
		if !strings.HasSuffix(line, "/\n") && !strings.Contains(line, "/man1/") { // a page for each verb: cmd/redfleet
			got.WriteString(line)
		}
	}
	got.WriteString("conffiles\n" + command(ctx, t, nil, "dpkg-deb", "--info", deb, "conffiles"))
	golden(t, "testdata/contents.golden", got.String())
	if n := strings.Count(list, "/usr/share/man/man1/redfleet"); n < 20 {
		t.Errorf("the package has %d manual pages:\n%s", n, list)
	}
	if depends := command(ctx, t, nil, "dpkg-deb", "--field", deb, "Depends"); depends != "systemd (>= 250)\n" {
		t.Errorf("the package depends on %q", depends)
	}
}

// TestLintian: Debian's own checks find no error and no warning but those that
// packaging/lintian-overrides argues against, each of which is still needed.
func TestLintian(t *testing.T) {
	ctx := machinetest.Context(t, 2*time.Minute)
	out := command(ctx, t, nil, "lintian", "--allow-root", "--fail-on=none", "--show-overrides", machinetest.Package(ctx, t))
	if found := regexp.MustCompile(`(?m)^[EW]: .*$`).FindAllString(out, -1); len(found) > 0 {
		t.Errorf("lintian finds:\n%s", strings.Join(found, "\n"))
	}
	overrides, err := os.ReadFile("../../packaging/lintian-overrides")
	check(t, err)
	want := regexp.MustCompile(`(?m)^redfleet: `).FindAll(overrides, -1)
	if got := strings.Count(out, "O: redfleet: "); got != len(want) {
		t.Errorf("lintian uses %d of %d overrides:\n%s", got, len(want), out)
	}
}

// TestReproducible builds one commit in two folders, with another time zone,
// language and umask, and compares the bytes; a commit that follows has a higher
// version.
func TestReproducible(t *testing.T) {
	ctx := machinetest.Context(t, 4*time.Minute)
	one := next(ctx, t, t.TempDir(), "022", "TZ=Asia/Tokyo")
	two := next(ctx, t, filepath.Join(t.TempDir(), "deeper", "down"), "077", "TZ=America/New_York", "LANG=de_DE.UTF-8")
	a, err := os.ReadFile(one)
	check(t, err)
	b, err := os.ReadFile(two)
	check(t, err)
	if filepath.Base(one) != filepath.Base(two) || !bytes.Equal(a, b) {
		t.Errorf("%s (%d bytes) and %s (%d bytes) differ", one, len(a), two, len(b))
	}
	is := command(ctx, t, nil, "dpkg-deb", "--field", machinetest.Package(ctx, t), "Version")
	follows := command(ctx, t, nil, "dpkg-deb", "--field", one, "Version")
	command(ctx, t, nil, "dpkg", "--compare-versions", strings.TrimSpace(follows), "gt", strings.TrimSpace(is))
}

// next builds the package of a commit that follows the newest one of this tree, in
// a clone of its own: what an upgrade installs. Changes that are not committed are
// not in it.
func next(ctx context.Context, t testing.TB, dir, umask string, env ...string) string {
	t.Helper()
	masked := func(argv ...string) {
		command(ctx, t, env, append([]string{"sh", "-c", `umask "$0"; exec "$@"`, umask}, argv...)...)
	}
	masked("git", "clone", "--quiet", "--shared", root(ctx, t), dir)
	env = append(env, "GIT_AUTHOR_DATE=2099-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2099-01-01T00:00:00Z")
	masked("git", "-C", dir, "-c", "user.name=test", "-c", "user.email=test@example.com",
		"commit", "--quiet", "--allow-empty", "--message=The next version")
	masked("make", "--no-print-directory", "-C", dir, "deb")
	found, err := filepath.Glob(filepath.Join(dir, "dist", "redfleet_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("make deb made %q (%v)", found, err)
	}
	return found[0]
}

func root(ctx context.Context, t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(command(ctx, t, nil, "git", "rev-parse", "--show-toplevel"))
}

// command runs a command of the host that has to succeed.
func command(ctx context.Context, t testing.TB, env []string, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		check(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	check(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("not as %s has it (go test -tags e2e -update writes it):\n%s", file, diff)
	}
}
