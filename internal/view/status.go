package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/verdict"
)

// Status writes a fleet: a block for each group with its state, the reason for
// it, and who is who.
func Status(w io.Writer, st verdict.Status, s Style) error {
	if len(st.Groups) == 0 {
		_, err := fmt.Fprintf(w, "fleet %s has no group yet; make one with: redfleet apply FILE\n", s.bold(st.Fleet))
		return err
	}
	for i, g := range st.Groups {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if err := group(w, st.Fleet, g, s); err != nil {
			return err
		}
	}
	return requests(w, st.Requests, s)
}

// requests writes what operators asked for and what is not done yet.
func requests(w io.Writer, list []verdict.Request, s Style) error {
	for _, r := range list {
		text := "takes the place of " + r.Node
		switch r.With {
		case "":
			text = r.Node + " leaves"
		case r.Node:
			text = "a new machine " + text
		default:
			text = r.With + " " + text
		}
		line := fmt.Sprintf("\nrequest %s: %s in %s: %s", r.ID, text, strings.Join(r.Groups, ", "), s.warn(string(r.Phase)))
		if r.Waits != "" {
			line += "; " + r.Waits
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

func group(w io.Writer, fleetName string, g fleet.Assessment, s Style) error {
	head := fmt.Sprintf("%s/%s  %s", fleetName, s.bold(g.Name), state(g.State, s))
	if used := len(fleetName) + len(g.Name) + len(g.State) + 5; used+len(g.Reason) <= s.room(0) {
		head += "  " + g.Reason
	} else {
		head += "\n  " + strings.ReplaceAll(text.WrapSoft(g.Reason, s.room(2)), "\n", "\n  ")
	}
	if err := writeLines(w, "", head); err != nil {
		return err
	}
	t := newTable(s, "role", "node", "address", "state")
	if g.Master != nil {
		t.AppendRow(table.Row{"master", g.Master.Node, g.Master.Addr.String(), ""})
	} else {
		t.AppendRow(table.Row{"master", s.warn("none"), "", ""})
	}
	for _, r := range g.Replicas {
		link := s.either(r.Link == "up", "link "+r.Link)
		if r.LagBytes > 0 {
			link += s.warn(fmt.Sprintf(", %s behind", Bytes(r.LagBytes)))
		}
		t.AppendRow(table.Row{"replica", r.Node, r.Addr.String(), link})
	}
	for _, n := range g.Sentinels {
		word := "ok"
		if !n.OK {
			word = "not ok"
		}
		t.AppendRow(table.Row{"sentinel", n.Node, n.Addr.String(), s.either(n.OK, word)})
	}
	if err := write(w, "  ", t); err != nil {
		return err
	}
	lines := "  " + footer(g, s)
	if g.Adopted != nil {
		lines += "\n  " + adopted(*g.Adopted, s)
	}
	_, err := fmt.Fprintln(w, lines)
	return err
}

func footer(g fleet.Assessment, s Style) string {
	credentials := "no credentials yet"
	if g.CredentialsVersion > 0 {
		credentials = fmt.Sprintf("credentials version %d", g.CredentialsVersion)
	}
	q := g.Quorum
	if q == nil {
		return s.dim(fmt.Sprintf("%s: no automatic failover; %s", g.Topology, credentials))
	}
	quorum := fmt.Sprintf("quorum %d, majority %d: %d reachable", q.Required, q.Majority, q.Reachable)
	if !q.OK {
		return s.bad(quorum) + s.dim("; "+credentials)
	}
	return s.dim(quorum + "; " + credentials)
}

func state(st fleet.GroupState, s Style) string {
	switch st {
	case fleet.GroupServing:
		return s.good(string(st))
	case fleet.GroupDegraded, fleet.GroupDown:
		return s.bad(string(st))
	default:
		return s.warn(string(st))
	}
}
