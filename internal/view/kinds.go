package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/redfleet/redfleet/internal/history"
)

// HistoryKinds writes a table of what all faults of a kind showed beside what they are
// held to, as "found ≤ bound"; a number alone is held to nothing, and "-" is 0. A
// column for each group: writes lost, for how long two servers took writes at once,
// and how long after a cut the isolated server did.
func HistoryKinds(w io.Writer, r history.Result, s Style) error {
	kinds := r.Kinds()
	names := map[string]bool{}
	for _, k := range kinds {
		for name := range k.Groups {
			names[name] = true
		}
	}
	groups := slices.Sorted(maps.Keys(names))
	header := []string{"fault", "n", "whole after", "waited lost"}
	for _, what := range []string{"lost", "two masters ms", "after cut ms"} {
		for _, g := range groups {
			header = append(header, what+", "+g)
		}
	}
	t := newTable(s, header...)
	wrap(t, 14, columnsFrom(4, len(header))...)
	for _, k := range kinds {
		t.AppendRow(kindRow(k, groups))
	}
	return write(w, "", t)
}

func columnsFrom(first, last int) (columns []int) {
	for c := first; c <= last; c++ {
		columns = append(columns, c)
	}
	return columns
}

func kindRow(k history.Kind, groups []string) table.Row {
	var lost, dual, isolated table.Row
	for _, name := range groups {
		held, ok := k.Groups[name]
		if !ok {
			lost, dual, isolated = append(lost, ""), append(dual, ""), append(isolated, "")
			continue
		}
		f, c := held.Found, held.Claim
		lost = append(lost, against(f.Lost, c.Lost))
		dual = append(dual, againstSpan(f.Dual, c.Dual))
		isolated = append(isolated, againstSpan(f.Isolated, c.Isolated))
	}
	row := table.Row{k.Name, fmt.Sprint(k.Faults), whole(k), against(k.All.Found.LostWaited, k.All.Claim.LostWaited)}
	return slices.Concat(row, lost, dual, isolated)
}

func against(found, most int) string {
	switch {
	case most != history.Unclaimed:
		return fmt.Sprintf("%d ≤ %d", found, most)
	case found == 0:
		return "-"
	}
	return fmt.Sprint(found)
}

func againstSpan(found, most time.Duration) string {
	if most == history.Unclaimed {
		return against(int(found.Milliseconds()), history.Unclaimed)
	}
	return against(int(found.Milliseconds()), int(most.Milliseconds()))
}

// whole is after how long everything was in order, and how often it never was.
func whole(k history.Kind) string {
	text := fmt.Sprintf("%.1f s", k.Whole.Seconds())
	switch {
	case k.Broken == k.Faults:
		return "never"
	case k.Broken > 0:
		return fmt.Sprintf("%s, %d never", text, k.Broken)
	}
	return text
}
