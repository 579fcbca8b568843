package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/redfleet/redfleet/coordinator/recovery"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Recovery writes what `redfleet recover` found, what is missing and what it would
// write.
func Recovery(w io.Writer, d recovery.Document, s Style) error {
	if _, err := fmt.Fprintf(w, "fleet %s (%s), epoch %d\n", s.bold(d.Fleet), orDash(d.FleetID), d.Committed); err != nil {
		return err
	}
	t := newTable(s, "node", "agent", "keeps", "epoch", "instances", "sealed passwords")
	for _, n := range d.Nodes {
		keeps := s.bad("offers nothing")
		if n.Offers {
			keeps = s.good("its goal")
		}
		alive := s.warn("gone")
		if n.Alive {
			alive = "reports"
		}
		t.AppendRow(table.Row{n.Node, alive, keeps, n.Epoch, orDash(join(n.Instances)), orDash(strings.Join(n.Secrets, " "))})
	}
	if err := write(w, "  ", t); err != nil {
		return err
	}
	if err := recoveredGroups(w, d, s); err != nil {
		return err
	}
	return recoveryEnd(w, d, s)
}

func recoveredGroups(w io.Writer, d recovery.Document, s Style) error {
	if len(d.Groups) == 0 {
		return nil
	}
	t := newTable(s, "group", "topology", "phase", "nodes", "sentinels", "master now", "password", "identity")
	for _, g := range d.Groups {
		master := s.warn("not seen")
		if g.Master != nil {
			master = fmt.Sprintf("%s %s", g.Master.Node, g.Master.Addr)
		}
		t.AppendRow(table.Row{g.Name, string(g.Topology), string(g.Phase), at(g.Nodes, g.Port), orDash(strings.Join(g.Sentinels, " ")),
			master, fmt.Sprintf("version %d", g.CredentialsVersion), g.ID})
	}
	return write(w, "  ", t)
}

func recoveryEnd(w io.Writer, d recovery.Document, s Style) error {
	for _, why := range d.Refused {
		if _, err := fmt.Fprintf(w, "%s %s\n", s.bad("refused:"), why); err != nil {
			return err
		}
	}
	if len(d.Refused) > 0 {
		return nil
	}
	if len(d.Found) > 0 {
		if _, err := fmt.Fprintf(w, "already there, from a run that was cut: %s\n", strings.Join(d.Found, ", ")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "to write, each only if it is missing: %s\n", strings.Join(d.Writes, ", "))
	return err
}

func join(ids []fleet.InstanceID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return strings.Join(out, " ")
}
