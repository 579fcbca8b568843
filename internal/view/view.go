// Package view renders what redfleet knows as tables for people: verdicts on
// groups, checks and events. It is pure: the same input gives the same text,
// and whether there is colour is the caller's to say.
package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Style is how a text is to look.
type Style struct {
	// Color marks good and bad with colour; the words say it as well.
	Color bool
	// Width is that of the terminal; 0 where there is none. Long texts are
	// wrapped to fit.
	Width int
}

// room is what is left of the width beside other columns.
func (s Style) room(used int) int {
	width := s.Width
	if width <= 0 {
		width = 120
	}
	return max(30, width-used)
}

func (s Style) paint(t string, c ...text.Color) string {
	if !s.Color || t == "" {
		return t
	}
	return text.Colors(c).Sprint(t)
}

func (s Style) good(t string) string { return s.paint(t, text.FgGreen) }
func (s Style) bad(t string) string  { return s.paint(t, text.FgRed, text.Bold) }
func (s Style) warn(t string) string { return s.paint(t, text.FgYellow) }
func (s Style) bold(t string) string { return s.paint(t, text.Bold) }
func (s Style) dim(t string) string  { return s.paint(t, text.Faint) }

// either paints by whether all is well.
func (s Style) either(ok bool, t string) string {
	if ok {
		return s.good(t)
	}
	return s.bad(t)
}

// newTable makes a table without frames: columns of text, two blanks apart,
// that grep and awk can read as well as people.
func newTable(s Style, header ...string) table.Writer {
	t := table.NewWriter()
	st := table.StyleDefault
	st.Box.PaddingLeft, st.Box.PaddingRight = "", "  "
	st.Options = table.OptionsNoBordersAndSeparators
	st.Format.Header = text.FormatDefault
	t.SetStyle(st)
	row := make(table.Row, len(header))
	for i, h := range header {
		row[i] = s.dim(h)
	}
	t.AppendHeader(row)
	return t
}

// wrap breaks the long texts of the given columns, so that a reason of two
// lines does not tear the table.
func wrap(t table.Writer, width int, columns ...int) {
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		configs[i] = table.ColumnConfig{Number: c, WidthMax: width, WidthMaxEnforcer: text.WrapSoft}
	}
	t.SetColumnConfigs(configs)
}

// write renders the table with an indent and without blanks at line ends.
func write(w io.Writer, indent string, t table.Writer) error {
	return writeLines(w, indent, t.Render())
}

func writeLines(w io.Writer, indent, lines string) error {
	for line := range strings.Lines(lines + "\n") {
		if _, err := fmt.Fprintln(w, strings.TrimRight(indent+strings.TrimRight(line, "\n"), " ")); err != nil {
			return err
		}
	}
	return nil
}

// Age is a length of time in the one unit that matters.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	default:
		return fmt.Sprintf("%.0fd", d.Hours()/24)
	}
}

// Bytes is a size in the unit that keeps it short.
func Bytes(n int64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < unit*unit:
		return fmt.Sprintf("%d KiB", n/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%d MiB", n/unit/unit)
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/unit/unit/unit)
	}
}
