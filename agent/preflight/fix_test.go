package preflight

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/kernel"
)

// bare is a machine with all three settings wrong.
func bare(more map[string]string) map[string]string {
	files := map[string]string{
		"/proc/sys/vm/overcommit_memory":              "0\n",
		"/proc/sys/net/core/somaxconn":                "128\n",
		"/sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n",
		"/etc/sysctl.d/":                              "",
	}
	for path, content := range more {
		files[path] = content
	}
	return files
}

// setter stands in for sysctl and systemd-tmpfiles: it sets what it is told,
// but for the names that it refuses.
func setter(t *testing.T, in *Input, refuse ...string) {
	in.Exec = func(_ context.Context, argv []string) ([]byte, error) {
		line := strings.Join(argv, " ")
		for _, r := range refuse {
			if strings.Contains(line, r) {
				return []byte("sysctl: setting key \"" + r + "\": Read-only file system\n"), errors.New("exit status 255")
			}
		}
		path, value := kernel.HugepagesPath, "always [madvise] never"
		if argv[0] == "sysctl" {
			name, v, _ := strings.Cut(argv[2], "=")
			path, value = kernel.SysctlPathOf(name), v
		}
		if err := os.WriteFile(in.path(path), []byte(value+"\n"), 0o644); err != nil {
			t.Error(err)
		}
		return nil, nil
	}
}

func kernelChecks(ctx context.Context, t *testing.T, in *Input) Document {
	d := Document{}
	for _, name := range []string{"overcommit", "somaxconn", "hugepages"} {
		f := runOne(ctx, t, name, in)
		d.Checks = append(d.Checks, Result{Name: name, Status: f.Status, Found: f.Found})
	}
	return d
}

func TestFixSetsAllThree(t *testing.T) {
	in := &Input{Root: machine(t, bare(nil)), Config: config(), Plan: server()}
	setter(t, in)
	fix := FixOf(in, kernelChecks(t.Context(), t, in))
	want := []string{fixSysctl, fixTmpfiles}
	var paths []string
	for _, f := range fix.Files {
		paths = append(paths, f.Path)
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	commands := [][]string{{"sysctl", "-w", "vm.overcommit_memory=1"}, {"sysctl", "-w", "net.core.somaxconn=4096"},
		{"systemd-tmpfiles", "--create", fixTmpfiles}}
	if diff := cmp.Diff(commands, fix.Commands); diff != "" {
		t.Error(diff)
	}
	told, good := fix.Apply(t.Context(), in, effect.New(nil))
	if !good {
		t.Errorf("told: %q", told)
	}
	after := kernelChecks(t.Context(), t, in)
	for _, r := range after.Checks {
		if r.Status != OK {
			t.Errorf("after it: %+v", r)
		}
	}
	if again := FixOf(in, after); !again.Empty() {
		t.Errorf("it would do more: %+v", again)
	}
	for _, part := range []string{"vm.overcommit_memory = 1\n", "net.core.somaxconn = 4096\n", "remove it to take that back"} {
		if text, err := in.read(fixSysctl); err != nil || !strings.Contains(text+"\n", part) {
			t.Errorf("%s: %q, %v; want %q", fixSysctl, text, err, part)
		}
	}
	// What it wrote is what the next boot reads.
	if text, err := in.read(fixTmpfiles); err != nil || !strings.HasSuffix(text+"\n", kernel.Tmpfiles()) {
		t.Errorf("%s: %q, %v", fixTmpfiles, text, err)
	}
}

// A fix sets only what is wrong, more where the spec asks for more, and nothing
// that the operator has set aside.
func TestFixSetsNoMore(t *testing.T) {
	in := &Input{Root: machine(t, bare(map[string]string{"/proc/sys/vm/overcommit_memory": "1"})), Config: config(), Plan: server("tcp-backlog 20000")}
	d := kernelChecks(t.Context(), t, in)
	d.Checks[2].Status = Ignored
	fix := FixOf(in, d)
	if len(fix.Files) != 1 || strings.Contains(fix.Files[0].Content, "overcommit") || !strings.Contains(fix.Files[0].Content, "\nnet.core.somaxconn = 20000\n") {
		t.Errorf("the files: %+v", fix.Files)
	}
	if diff := cmp.Diff([][]string{{"sysctl", "-w", "net.core.somaxconn=20000"}}, fix.Commands); diff != "" {
		t.Error(diff)
	}
}

// Where the package's files are, they keep the settings, and are not repeated.
func TestFixBesideThePackage(t *testing.T) {
	in := &Input{Root: machine(t, bare(map[string]string{kernel.SysctlPath: kernel.Sysctl(), kernel.TmpfilesPath: kernel.Tmpfiles()})), Config: config(), Plan: server()}
	fix := FixOf(in, kernelChecks(t.Context(), t, in))
	if len(fix.Files) != 0 || len(fix.Commands) != 3 || fix.Commands[2][2] != kernel.TmpfilesPath {
		t.Errorf("%+v", fix)
	}
}

// What cannot be applied is told with its reason, whatever the command's end
// said, and so is a file that undoes it at the next boot.
func TestFixTellsWhatItCouldNot(t *testing.T) {
	in := &Input{Root: machine(t, bare(map[string]string{
		"/etc/sysctl.d/99-mine.conf": "net/core/somaxconn=100\n", "/etc/tmpfiles.d": "a file where a folder should be",
	})), Config: config(), Plan: server()}
	setter(t, in, "vm.overcommit_memory")
	told, good := FixOf(in, kernelChecks(t.Context(), t, in)).Apply(t.Context(), in, effect.New(nil))
	if good {
		t.Error("it calls that good")
	}
	all := strings.Join(told, "\n")
	for _, part := range []string{
		"vm.overcommit_memory is still 0: sysctl -w vm.overcommit_memory=1: sysctl: setting key \"vm.overcommit_memory\": Read-only file system (exit status 255)",
		"net.core.somaxconn is 4096", "/etc/sysctl.d/99-mine.conf sets net.core.somaxconn to something else",
		fixTmpfiles + " could not be written", "transparent_hugepage is madvise",
	} {
		if !strings.Contains(all, part) {
			t.Errorf("not told: %s; told is\n%s", part, all)
		}
	}
}

// A crash at any point leaves whole files or none, and a second run ends it.
func TestFixIsResumable(t *testing.T) {
	for _, label := range Labels() {
		for _, at := range []effect.Point{effect.Before, effect.After} {
			in := &Input{Root: machine(t, bare(nil)), Config: config(), Plan: server()}
			setter(t, in)
			cut := errors.New("cut")
			fix := FixOf(in, kernelChecks(t.Context(), t, in))
			fix.Apply(t.Context(), in, effect.New(func(_ context.Context, l effect.Label, p effect.Point) error {
				if l == label && p == at {
					return cut
				}
				return nil
			}))
			if told, good := FixOf(in, kernelChecks(t.Context(), t, in)).Apply(t.Context(), in, effect.New(nil)); !good {
				t.Errorf("%s %s: %q", at, label, told)
			}
			left, err := filepath.Glob(in.path("/etc/*/.redfleet-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("%s %s: left behind: %v, %v", at, label, left, err)
			}
		}
	}
}
