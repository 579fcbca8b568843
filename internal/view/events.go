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
// that come one by one still stand under each other; in a narrow terminal what
// happened stands below who.
func Events(w io.Writer, events []fleet.Event, zone *time.Location, s Style) error {
	for _, e := range events {
		about := strings.Trim(e.Group+"@"+e.Node, "@")
		head := fmt.Sprintf("  %-14s %-10s ", e.Who, orDash(about))
		said := s.bold(e.What)
		if e.Why != "" {
			said += ": " + e.Why
		}
		if _, err := fmt.Fprintln(w, s.dim(e.At.In(zone).Format(stamp))+beside(head, said, s)); err != nil {
			return err
		}
	}
	return nil
}

// beside puts what is said next to the head, or below it where too little room
// is left. What is piped into a program stays one line.
func beside(head, said string, s Style) string {
	const least, below = 40, 4
	if s.Width <= 0 {
		return head + said
	}
	indent, begin := len(stamp)+len(head), head
	if s.Width-indent < least {
		indent, begin = below, strings.TrimRight(head, " ")+"\n"+strings.Repeat(" ", below)
	}
	wrapped := text.WrapSoft(said, s.room(indent))
	return begin + strings.ReplaceAll(wrapped, "\n", "\n"+strings.Repeat(" ", indent))
}

// stamp is how an event's time is written.
const stamp = "2006-01-02 15:04:05.000"
