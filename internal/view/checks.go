package view

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/verdict"
)

// besideSeen is what the columns before the last one take.
const besideSeen = 46

// Verdict writes a table of the checks and one line that sums them up. What is
// wanted is told only of checks that fail: of the others what was seen says it.
func Verdict(w io.Writer, v verdict.Verdict, s Style) error {
	t := newTable(s, "check", "group", "result", "age", "seen")
	wrap(t, s.room(besideSeen), 5)
	for _, c := range v.Checks {
		t.AppendRow(table.Row{c.Name, orDash(c.Group), result(c, s), Age(seconds(c.AgeS)), c.Seen})
		if !c.OK {
			t.AppendRow(table.Row{"", "", "", "", s.dim("wanted: " + c.Want)})
		}
	}
	if err := write(w, "", t); err != nil {
		return err
	}
	failed := v.Failed()
	sum := s.good(fmt.Sprintf("all %d checks hold", len(v.Checks)))
	if len(failed) > 0 {
		sum = s.bad(fmt.Sprintf("%d of %d checks failed", len(failed), len(v.Checks)))
	}
	_, err := fmt.Fprintln(w, sum)
	return err
}

func result(c fleet.Check, s Style) string {
	if c.OK {
		return s.good("ok")
	}
	return s.bad("FAILED")
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }

func orDash(t string) string {
	if t == "" {
		return "-"
	}
	return t
}
