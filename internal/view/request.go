package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/redfleet/redfleet/coordinator/request"
)

// Replacement writes what taking a node out, or putting another in its place, does.
func Replacement(w io.Writer, p request.Plan, s Style) error {
	t := newTable(s, "group", "", "nodes", "sentinels", "forgotten by the sentinels")
	for _, c := range p.Groups {
		var ghosts []string
		for _, a := range c.Ghosts {
			ghosts = append(ghosts, a.String())
		}
		t.AppendRow(table.Row{c.Before.Name, "now", strings.Join(c.Before.Nodes, " "), sentinels(c.Before), strings.Join(ghosts, " ")})
		t.AppendRow(table.Row{"", "then", strings.Join(c.After.Nodes, " "), sentinels(c.After), ""})
	}
	if len(p.Groups) > 0 {
		if err := write(w, "  ", t); err != nil {
			return err
		}
	}
	for _, text := range p.Warnings {
		if _, err := fmt.Fprintln(w, s.warn("note:"), text); err != nil {
			return err
		}
	}
	return nil
}
