package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Events writes one line for each event, oldest first: when, who, about what,
// what happened and why. It has no header and fixed columns, so that lines
// that come one by one still stand under each other.
func Events(w io.Writer, events []fleet.Event, zone *time.Location, s Style) error {
	for _, e := range events {
		about := strings.Trim(e.Group+"@"+e.Node, "@")
		line := fmt.Sprintf("%s  %-14s %-10s %s",
			s.dim(e.At.In(zone).Format("2006-01-02 15:04:05.000")), e.Who, orDash(about), s.bold(e.What))
		if e.Why != "" {
			line += ": " + e.Why
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
