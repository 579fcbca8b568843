package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/redfleet/redfleet/coordinator/adopt"
	"github.com/redfleet/redfleet/internal/fleet"
)

// adopted is status' line on a group that was built by hand.
func adopted(a fleet.AdoptedStatus, s Style) string {
	if len(a.Waiting) == 0 {
		return s.dim(fmt.Sprintf("adopted: all %d instances have moved to redfleet's units", a.Of))
	}
	var still []string
	for _, w := range a.Waiting {
		still = append(still, w.Unit+" on "+w.Node)
	}
	return s.warn(fmt.Sprintf("adopted: %d of %d have moved", a.Moved, a.Of)) +
		s.dim("; at their next restart: "+strings.Join(still, ", "))
}

// Adoption writes what was found of a group that was built by hand, and what
// adopting it does.
func Adoption(w io.Writer, f adopt.Finding, s Style) error {
	t := newTable(s, "kind", "role", "node", "address", "unit", "configuration", "data", "engine")
	for _, i := range f.Instances {
		t.AppendRow(table.Row{string(i.Kind), string(i.Role), i.Node, i.Addr.String(), i.Unit, i.Conf, i.Dir, i.Engine + " " + i.Version})
	}
	if _, err := fmt.Fprintf(w, "group %s, which its sentinels watch as %q\n", s.bold(f.Group), f.MasterName); err != nil {
		return err
	}
	if err := write(w, "  ", t); err != nil {
		return err
	}
	for _, text := range f.Warnings {
		if _, err := fmt.Fprintln(w, s.warn("warning:"), text); err != nil {
			return err
		}
	}
	for _, text := range f.Refused {
		if _, err := fmt.Fprintln(w, s.bad("refused:"), text); err != nil {
			return err
		}
	}
	if len(f.Refused) > 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, `
Adopting restarts nothing, changes none of these files, and sends the servers no command that changes anything.
On each machine it writes a drop-in for these units: at its next start, whoever asks for it, an instance moves to
redfleet's own unit. Its data is renamed into redfleet's folder, its configuration copied there.

The group, for your spec file:

%s`, GroupTOML(f.Spec))
	return err
}

// GroupTOML is a group as it stands in a spec file.
func GroupTOML(g fleet.GroupSpec) string {
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s = %s\n", key, value) }
	b.WriteString("[[group]]\n")
	line("name", strconv.Quote(g.Name))
	line("topology", strconv.Quote(string(g.Topology)))
	line("engine", strconv.Quote(g.Engine))
	line("nodes", quotedList(g.Nodes))
	line("port", strconv.Itoa(g.Port))
	if g.Password.File != "" {
		line("password", "{ file = "+strconv.Quote(g.Password.File)+" }")
	}
	q := g.Sentinel
	b.WriteString("\n[group.sentinel]\n")
	line("nodes", quotedList(q.Nodes))
	line("port", strconv.Itoa(q.Port))
	line("master_name", strconv.Quote(q.MasterName))
	line("quorum", strconv.Itoa(q.Quorum))
	line("down_after", strconv.Quote(q.DownAfter.String()))
	line("failover_timeout", strconv.Quote(q.FailoverTimeout.String()))
	line("parallel_syncs", strconv.Itoa(q.ParallelSyncs))
	if q.Open {
		line("open", "true")
	}
	if len(g.Config) > 0 {
		b.WriteString("\n[group.config]\n")
	}
	for _, name := range g.Config.Names() {
		value := quotedList(g.Config[name])
		if len(g.Config[name]) == 1 {
			value = strconv.Quote(g.Config[name][0])
		}
		line(name, value)
	}
	return b.String()
}

func quotedList(list []string) string {
	out := make([]string, len(list))
	for i, text := range list {
		out[i] = strconv.Quote(text)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
