// Package kernel is the home of the kernel settings that redfleet asks for
// (hazard E3): the files for systemd-sysctl and systemd-tmpfiles, which the
// packages ship, and out of which `redfleet preflight --fix` takes what a
// machine lacks.
package kernel

import (
	_ "embed"
	"strings"
)

//go:embed 60-redfleet.conf
var sysctlText string

//go:embed redfleet-kernel.conf
var tmpfilesText string

// Where the packages put the two files.
const (
	SysctlPath   = "/usr/lib/sysctl.d/60-redfleet.conf"
	TmpfilesPath = "/usr/lib/tmpfiles.d/redfleet-kernel.conf"
)

// HugepagesPath is the switch of transparent huge pages.
const HugepagesPath = "/sys/kernel/mm/transparent_hugepage/enabled"

// The names of the sysctls in the file.
const (
	Overcommit = "vm.overcommit_memory"
	Somaxconn  = "net.core.somaxconn"
)

// Sysctl is the file for sysctl.d(5).
func Sysctl() string { return sysctlText }

// Tmpfiles is the file for tmpfiles.d(5).
func Tmpfiles() string { return tmpfilesText }

// SysctlPathOf is the file below /proc that holds a sysctl.
func SysctlPathOf(name string) string {
	return "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
}

// Value is what the file sets a sysctl to; empty where it does not.
func Value(name string) string {
	_, value, _ := setting(name)
	return value
}

// Lines are the file's line for a sysctl with the comment above it; false where
// the file does not set it.
func Lines(name string) (string, bool) {
	lines, _, found := setting(name)
	return lines, found
}

// setting finds the paragraph of a sysctl: its comment and its line.
func setting(name string) (lines, value string, found bool) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(sysctlText), "\n\n") {
		last := paragraph[strings.LastIndexByte(paragraph, '\n')+1:]
		key, set, ok := strings.Cut(last, "=")
		if ok && strings.TrimSpace(key) == name {
			return paragraph + "\n", strings.TrimSpace(set), true
		}
	}
	return "", "", false
}
