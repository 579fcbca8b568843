package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/redfleet/redfleet/internal/change"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Plan writes what applying a spec is going to make.
func Plan(w io.Writer, fleetName string, p change.Plan, initial map[string]string, s Style) error {
	t := newTable(s, "group", "topology", "nodes", "sentinels", "password", "begins with")
	for _, g := range p.Make {
		begin := "elected"
		if n := initial[g.Name]; n != "" {
			begin = n
		} else if g.Prefer != "" {
			begin = g.Prefer + ", unless data decides"
		}
		password := "generated"
		if g.Password.File != "" {
			password = "from " + g.Password.File
		}
		t.AppendRow(table.Row{s.good("+ ") + g.Name, string(g.Topology), at(g.Nodes, g.Port), sentinels(g), password, begin})
	}
	for _, g := range p.Keep {
		begin := ""
		if n := initial[g.Name]; n != "" {
			begin = n
		}
		t.AppendRow(table.Row{"  " + g.Name, string(g.Topology), at(g.Nodes, g.Port), sentinels(g), "unchanged", begin})
	}
	if _, err := fmt.Fprintf(w, "fleet %s\n", s.bold(fleetName)); err != nil {
		return err
	}
	if err := write(w, "  ", t); err != nil {
		return err
	}
	if len(p.Missing) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s %s: no agent has reported from there yet; their groups form when one does\n",
		s.warn("waiting for"), strings.Join(p.Missing, ", "))
	return err
}

func at(nodes []string, port int) string {
	return fmt.Sprintf("%s :%d", strings.Join(nodes, " "), port)
}

func sentinels(g fleet.GroupSpec) string {
	if g.Topology != fleet.Sentinel {
		return "none"
	}
	return fmt.Sprintf("%s, quorum %d", at(g.Sentinel.Nodes, g.Sentinel.Port), g.Sentinel.Quorum)
}
