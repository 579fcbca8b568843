package preflight

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/kernel"
)

// The files that a fix writes. They have names of their own, so that they hide
// nothing of the package's files, and come before those of an operator.
const (
	fixSysctl   = "/etc/sysctl.d/60-redfleet-preflight.conf"
	fixTmpfiles = "/etc/tmpfiles.d/redfleet-preflight.conf"
)

const fixHead = "# Written by redfleet preflight --fix; remove it to take that back.\n\n"

// Fix is what can be set for the checks that found something: files that keep it
// over a reboot, and commands that bring it into force now. No running Redis is
// touched: each has to be restarted by hand where a setting is to reach it.
type Fix struct {
	Files    []File
	Commands [][]string
	// settings are what the commands set, for the look afterwards.
	settings []setting
}

// File is one file of a fix, to be replaced as a whole.
type File struct{ Path, Content string }

// setting is one kernel setting below /proc or /sys.
type setting struct{ name, path, want string }

// Empty: nothing is to be set.
func (f Fix) Empty() bool { return len(f.Commands) == 0 }

// FixOf makes the fix for a document. Settings that the package's own files keep
// already are only brought into force.
func FixOf(in *Input, d Document) Fix {
	var f Fix
	var lines []string
	for _, s := range []struct{ check, name, value string }{
		{"overcommit", kernel.Overcommit, kernel.Value(kernel.Overcommit)},
		{"somaxconn", kernel.Somaxconn, in.backlog()},
	} {
		if !found(d, s.check) {
			continue
		}
		f.Commands = append(f.Commands, []string{"sysctl", "-w", s.name + "=" + s.value})
		f.settings = append(f.settings, setting{s.name, kernel.SysctlPathOf(s.name), s.value})
		if len(in.glob(kernel.SysctlPath)) == 0 || s.value != kernel.Value(s.name) {
			lines = append(lines, sysctlLines(s.name, s.value))
		}
	}
	if len(lines) > 0 {
		f.Files = append(f.Files, File{fixSysctl, fixHead + strings.Join(lines, "\n")})
	}
	if found(d, "hugepages") {
		file := kernel.TmpfilesPath
		if len(in.glob(file)) == 0 {
			file = fixTmpfiles
			f.Files = append(f.Files, File{file, fixHead + kernel.Tmpfiles()})
		}
		f.Commands = append(f.Commands, []string{"systemd-tmpfiles", "--create", file})
		f.settings = append(f.settings, setting{"transparent_hugepage", kernel.HugepagesPath, "madvise"})
	}
	return f
}

func found(d Document, name string) bool {
	return slices.ContainsFunc(d.Checks, func(r Result) bool {
		return r.Name == name && (r.Status == Warning || r.Status == Error)
	})
}

// backlog is what somaxconn is set to: redfleet's value, or more where the spec
// asks for more.
func (in *Input) backlog() string {
	n, _ := strconv.Atoi(kernel.Value(kernel.Somaxconn)) // the file's own number
	for _, i := range in.Plan.servers() {
		n = max(n, number(i.Config, "tcp-backlog"))
	}
	return strconv.Itoa(n)
}

func sysctlLines(name, value string) string {
	if lines, ok := kernel.Lines(name); ok && value == kernel.Value(name) {
		return lines
	}
	return fmt.Sprintf("# The spec asks for more than redfleet's own value.\n%s = %s\n", name, value)
}

// overridden finds the file that sets a sysctl to something else after ours at
// the next boot (sysctl.d(5): by name, whatever the folder; of two with one name
// the one in /etc counts). Empty when ours stands.
func (in *Input) overridden(name, want string) string {
	files := map[string]string{}
	for _, dir := range []string{"/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"} {
		for _, file := range in.glob(dir + "/*.conf") {
			files[path.Base(file)] = file
		}
	}
	last, value := "", want
	for _, base := range sortedKeys(files) {
		text, err := in.read(files[base])
		if err != nil {
			continue // a link to nothing
		}
		for line := range strings.Lines(text) {
			key, set, ok := strings.Cut(line, "=")
			key = strings.ReplaceAll(strings.TrimLeft(strings.TrimSpace(key), "-"), "/", ".")
			if ok && key == name {
				last, value = files[base], strings.TrimSpace(set)
			}
		}
	}
	if value == want {
		return ""
	}
	return last
}
