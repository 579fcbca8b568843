package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/redfleet/redfleet/internal/history"
)

// besideTarget is what the columns beside a fault's target and remark take.
const besideTarget = 110

// History writes a table of what clients saw, fault by fault, then each claim that
// does not hold.
func History(w io.Writer, r history.Result, s Style) error {
	t := newTable(s, "no.", "fault", "target", "took", "no master", "acked", "failed", "lost", "two masters", "after cut", "stale", "refused", "restarts", "remark")
	wrap(t, s.room(besideTarget), 14)
	for _, row := range r.Rows {
		t.AppendRow(historyRow(row, s))
	}
	total := history.Row{All: r.Total}
	line := historyRow(total, s)
	line[1], line[3] = s.bold("all"), ""
	t.AppendRow(line)
	if err := write(w, "", t); err != nil {
		return err
	}
	for _, v := range r.Violations {
		if _, err := fmt.Fprintln(w, s.bad("violated: ")+v); err != nil {
			return err
		}
	}
	return nil
}

func historyRow(row history.Row, s Style) table.Row {
	number, kind, target, took := "", "none yet", "", row.To-row.From
	remarks := slices.Clone(row.Restarts)
	if f := row.Fault; f != nil {
		remark := f.Why
		number, kind, target = fmt.Sprint(f.Number), f.Kind, f.Target
		if f.Whole > 0 {
			took = f.Whole - f.Start
		} else if remark == "" {
			remark = "not whole"
		}
		if remark != "" {
			remarks = append(remarks, remark)
		}
		remarks = append(remarks, f.Seen...)
	}
	f := row.All
	return table.Row{number, kind, target, fmt.Sprintf("%.1f s", took.Seconds()), millis(f.Gap), fmt.Sprint(f.Acknowledged), fmt.Sprint(f.Failed),
		s.nought(f.Lost), millis(f.Dual), millis(f.Isolated), millis(f.Stale), s.nought(f.Credentials), s.nought(f.Unasked), strings.Join(remarks, "; ")}
}

// nought paints a number that should be 0.
func (s Style) nought(n int) string { return s.either(n == 0, fmt.Sprint(n)) }

func millis(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
