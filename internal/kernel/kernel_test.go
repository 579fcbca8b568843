package kernel

import (
	"strings"
	"testing"
)

// Each setting can be taken out of the file alone, with the reason above it.
func TestSettings(t *testing.T) {
	for name, want := range map[string]string{Overcommit: "1", Somaxconn: "4096", "vm.swappiness": ""} {
		lines, found := Lines(name)
		if got := Value(name); got != want || found != (want != "") {
			t.Errorf("%s is %q, found %v; want %q", name, got, found, want)
		}
		if found && (!strings.HasPrefix(lines, "# ") || !strings.HasSuffix(lines, "\n"+name+" = "+want+"\n")) {
			t.Errorf("the lines of %s are %q", name, lines)
		}
	}
	if got := SysctlPathOf(Somaxconn); got != "/proc/sys/net/core/somaxconn" {
		t.Errorf("%s is %s", Somaxconn, got)
	}
}

// The file sets nothing that the constants do not name.
func TestEachLineHasAName(t *testing.T) {
	for line := range strings.Lines(Sysctl()) {
		name, _, set := strings.Cut(strings.TrimSpace(line), " =")
		if set && !strings.HasPrefix(line, "#") && name != Overcommit && name != Somaxconn {
			t.Errorf("%q is not known", line)
		}
	}
	if !strings.Contains(Tmpfiles(), "\nw "+HugepagesPath+" - - - - madvise\n") {
		t.Errorf("huge pages are not set: %q", Tmpfiles())
	}
}
