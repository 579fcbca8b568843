package view

import (
	"io"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/lab"
)

// Processes writes the processes of a lab, node by node.
func Processes(w io.Writer, procs []lab.Process, s Style) error {
	t := newTable(s, "node", "process", "pid", "state")
	for _, p := range procs {
		pid := "-"
		if p.PID > 0 {
			pid = strconv.Itoa(p.PID)
		}
		state := s.either(p.State == fleet.UnitActive, string(p.State))
		if p.State != fleet.UnitActive && p.Exit != "" {
			state += " (" + p.Exit + ")"
		}
		t.AppendRow(table.Row{orDash(p.Node), string(p.Name), pid, state})
	}
	return write(w, "", t)
}
