package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Events writes one line for each event, oldest first: when, who, about what,
// what happened and why. It has no header and fixed columns, so that lines
// that come one by one still stand under each other.
func Events(w io.Writer, events []fleet.Event, zone *time.Location, s Style) error {
	for _, e := range events {
		about := strings.Trim(e.Group+"@"+e.Node, "@")
		head := fmt.Sprintf("  %-14s %-10s ", e.Who, orDash(about))
		said := s.bold(e.What)
		if e.Why != "" {
			said += ": " + e.Why
		}
		indent := len(stamp) + len(head)
		if s.Width > 0 { // what is piped into a program stays one line
			said = strings.ReplaceAll(text.WrapSoft(said, s.room(indent)), "\n", "\n"+strings.Repeat(" ", indent))
		}
		if _, err := fmt.Fprintln(w, s.dim(e.At.In(zone).Format(stamp))+head+said); err != nil {
			return err
		}
	}
	return nil
}

// stamp is how an event's time is written.
const stamp = "2006-01-02 15:04:05.000"
