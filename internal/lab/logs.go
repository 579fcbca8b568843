package lab

import (
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// logOf is the log file of one of the lab's own units.
func (l *Lab) logOf(name fleet.InstanceID) string {
	if name == standInUnit {
		return l.standIn().Log
	}
	for i := range l.Plan.nodes() {
		for _, u := range l.daemons(i) {
			if u.Name == name {
				return u.Log
			}
		}
	}
	return ""
}

// lastLines is the end of a log, indented.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-n):], "\n  ")
}
