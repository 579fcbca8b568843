package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Versions rise with the commits: before the first tag, at a tag, after it; two
// commits of one second too, as a rebase makes them.
func TestVersionsRise(t *testing.T) {
	dir := t.TempDir()
	script, err := os.ReadFile("version.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "packaging"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "packaging/version.sh"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	git := func(date string, args ...string) {
		command(t, dir, []string{"GIT_COMMITTER_DATE=" + date, "GIT_AUTHOR_DATE=" + date},
			append([]string{"git", "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"}, args...)...)
	}
	version := func() string {
		return strings.TrimSpace(command(t, dir, []string{"VERSION="}, "packaging/version.sh"))
	}
	commit := func(date string) { git(date, "commit", "--quiet", "--allow-empty", "--message=x") }
	git("", "init", "--quiet")
	git("", "add", ".")
	var versions []string
	for _, date := range []string{"2026-03-01T23:59:59+0200", "2026-03-01T23:59:59+0200", "2026-03-01T22:00:00+0000", "2026-10-01T00:00:00Z"} {
		commit(date)
		versions = append(versions, version())
	}
	git("", "tag", "v0.1.0")
	versions = append(versions, version())
	commit("2026-10-02T00:00:00Z")
	versions = append(versions, version())
	git("", "tag", "v0.1.1")
	versions = append(versions, version())
	if versions[4] != "0.1.0" || versions[6] != "0.1.1" || !strings.HasPrefix(versions[0], "0.1~git20260301215959.1.") {
		t.Errorf("the versions are %q", versions)
	}
	for i := range versions[1:] {
		if err := exec.Command("dpkg", "--compare-versions", versions[i], "lt", versions[i+1]).Run(); err != nil {
			t.Errorf("%s does not sort before %s", versions[i], versions[i+1])
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := version(); !strings.HasPrefix(got, "0.1.1+git") || !strings.HasSuffix(got, ".modified") {
		t.Errorf("with a file that is not committed the version is %s", got)
	}
}

// needrestart restarts neither Redis nor Sentinel of redfleet, and may restart all
// else (hazard M1). It reads its files as Perl code, and looks for each service's
// name among the patterns, as below.
func TestNeedrestartLeavesInstancesAlone(t *testing.T) {
	const ask = `our %nrconf; { local (@ARGV, $/) = shift; eval <>; die $@ if $@; }
for my $service (@ARGV) {
	my $answer = 1;
	for my $re (keys %{$nrconf{override_rc}}) { $answer = $nrconf{override_rc}->{$re} if $service =~ /$re/; }
	print "$service $answer\n";
}`
	want := ""
	args := []string{"perl", "-e", ask, "needrestart.conf"}
	for _, service := range []struct {
		name    string
		restart int
	}{
		{"redfleet-redis@main-6379.service", 0}, {"redfleet-sentinel@main-26379.service", 0},
		{"redfleet-agent.service", 1}, {"redfleet-coordinator.service", 1}, {"redis-server.service", 1},
	} {
		args = append(args, service.name)
		want += fmt.Sprintf("%s %d\n", service.name, service.restart)
	}
	if got := command(t, ".", nil, args...); got != want {
		t.Errorf("needrestart would do\n%s\nwant\n%s", got, want)
	}
}

// command runs a command that has to succeed.
func command(t *testing.T, dir string, env []string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}
