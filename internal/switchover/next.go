package switchover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Action is what is done next.
type Action string

// The actions.
const (
	// Wait: nothing yet.
	Wait Action = "wait"
	// Ask the sentinel for a failover.
	Ask Action = "ask"
	// Demote makes the old master a replica of Step.Master.
	Demote Action = "demote"
	// Done: Step.Master is the master, and the old one takes no writes as one. The
	// writes are let go on, which the old one refuses.
	Done Action = "done"
	// Back: nothing was changed. The writes are let go on.
	Back Action = "back"
	// Leave: the sentinel was asked and nobody knows what will come of it, or what came
	// is not what was wanted. The writes are let go on, and Sentinel decides.
	Leave Action = "leave"
)

// Step is an action with its reason.
type Step struct {
	Do Action
	// Master is who is master now, for Demote and Done.
	Master fleet.Member
	Why    string
}

func step(do Action, format string, args ...any) Step {
	return Step{Do: do, Why: fmt.Sprintf(format, args...)}
}

// Next is the next step. It makes no server a master, and gives the old one no role
// but that of a replica of whom most sentinels name under a higher epoch and who says
// itself that it is master, with all that the old one acknowledged (promise
// sentinel-owns-master).
func Next(c Course, f Facts) Step {
	if f.Asked {
		return asked(c, f)
	}
	if why := unfit(c, f); why != "" {
		return Step{Do: Back, Why: why}
	}
	missing := behind(c, f)
	switch {
	case missing == "":
		return step(Ask, "every replica that can be promoted has the master's offset %d", c.Offset)
	case f.Since >= CatchUp(c.DownAfter):
		return step(Back, "after %s %s: a write that the master acknowledged could be lost", f.Since.Round(time.Millisecond), missing)
	}
	return Step{Do: Wait, Why: missing}
}

// unfit says why nobody may be asked; empty where nothing stands against it.
func unfit(c Course, f Facts) string {
	m, ask := f.server(c.Master.Addr), f.sentinel(c.Ask.Addr)
	switch {
	case f.Stop:
		return "it was told to stop"
	case m.Error == "" && (m.Role != fleet.RoleMaster || m.ReplID != c.ReplID):
		return fmt.Sprintf("the server on %s is not the master any more that it was", c.Master.Node)
	case f.Left < Pause(c.DownAfter)/4:
		return "the pause of the master's writes ran out, or is about to"
	case ask.Report.Tilt:
		return fmt.Sprintf("the sentinel on %s is in TILT (hazard S16)", c.Ask.Node)
	}
	for _, s := range f.Servers {
		if s.Addr != c.Master.Addr && s.Role == fleet.RoleMaster {
			return fmt.Sprintf("the server on %s says that it is master too", s.Node)
		}
	}
	for _, s := range f.Sentinels {
		if s.Error == "" && (s.Report.Master != c.Master.Addr || s.Report.MasterFlags != "master") {
			return fmt.Sprintf("the sentinel on %s names %s (%s)", s.Node, s.Report.Master, s.Report.MasterFlags)
		}
	}
	for _, r := range ask.Report.Replicas {
		if r.Promotable && f.server(r.Addr).Node == "" {
			return fmt.Sprintf("the sentinel on %s could promote %s, which is no server of the group's (hazard S14)", c.Ask.Node, r.Addr)
		}
	}
	return ""
}

// behind says what is missing before the sentinel may be asked: an answer, or a
// replica that Sentinel could promote and that lacks something that the master
// acknowledged. Sentinel chooses by offsets that are up to 10 s old, so
// that one replica has it all is not enough. A replica does not count where it says
// that its priority is 0 or where it does not answer and the asked sentinel does not
// see it either.
func behind(c Course, f Facts) string {
	m, ask := f.server(c.Master.Addr), f.sentinel(c.Ask.Addr)
	switch {
	case m.Error != "":
		return fmt.Sprintf("the master on %s does not answer (%s)", c.Master.Node, m.Error)
	case ask.Error != "":
		return fmt.Sprintf("the sentinel on %s does not answer (%s)", c.Ask.Node, ask.Error)
	}
	var lacking []string
	ready := false
	for _, s := range f.Servers {
		if s.Addr == c.Master.Addr {
			continue
		}
		seen := promotable(ask, s.Addr)
		switch {
		case s.Error != "":
			if seen {
				lacking = append(lacking, fmt.Sprintf("the replica on %s does not answer (%s)", s.Node, s.Error))
			}
		case s.Priority == 0:
			if seen {
				lacking = append(lacking, fmt.Sprintf("the sentinel on %s does not know yet that the replica on %s must not be promoted", c.Ask.Node, s.Node))
			}
		case s.ReplID != c.ReplID || s.Offset < c.Offset:
			lacking = append(lacking, fmt.Sprintf("the replica on %s is at offset %d of %.8s, and the master at %d of %.8s", s.Node, s.Offset, s.ReplID, c.Offset, c.ReplID))
		case seen:
			ready = true
		}
	}
	if lacking == nil && !ready {
		return fmt.Sprintf("the sentinel on %s sees no replica that it could promote", c.Ask.Node)
	}
	return strings.Join(lacking, "; ")
}

func promotable(s Sentinel, addr fleet.Addr) bool {
	return slices.ContainsFunc(s.Report.Replicas, func(r fleet.SeenInstance) bool { return r.Addr == addr && r.Promotable })
}

// asked is the next step once a sentinel was asked.
func asked(c Course, f Facts) Step {
	if f.Refused != "" {
		return step(Back, "the sentinel on %s refused: %s", c.Ask.Node, f.Refused)
	}
	var masters []Server
	for _, s := range f.Servers {
		if s.Addr != c.Master.Addr && s.Error == "" && s.Role == fleet.RoleMaster {
			masters = append(masters, s)
		}
	}
	switch len(masters) {
	case 0:
		return unpromoted(c, f)
	case 1:
		return took(c, f, masters[0])
	}
	return step(Leave, "the servers on %s and %s both say that they are master", masters[0].Node, masters[1].Node)
}

// took is the next step once one server was promoted.
func took(c Course, f Facts, m Server) Step {
	if m.ReplID2 != c.ReplID || m.SecondOffset <= c.Offset {
		return step(Leave, "the server on %s was promoted without all that the master on %s acknowledged (offset %d of %.8s, wanted %d of %.8s)",
			m.Node, c.Master.Node, m.SecondOffset-1, m.ReplID2, c.Offset, c.ReplID)
	}
	if n, most := naming(c, f, m.Addr), len(f.Sentinels)/2+1; n < most {
		if f.SinceAsked >= holdAfterAsk {
			return step(Leave, "the server on %s was promoted, and %d of %d sentinels name it", m.Node, n, len(f.Sentinels))
		}
		return step(Wait, "%d of %d sentinels name the server on %s", n, most, m.Node)
	}
	s := step(Done, "the server on %s is the master", m.Node)
	s.Master = m.Member
	if old := f.server(c.Master.Addr); old.Error == "" && (old.Role == fleet.RoleMaster || old.Master != m.Addr) {
		s.Do = Demote
	}
	return s
}

// naming counts the sentinels that name a master under a higher epoch than the old
// one's.
func naming(c Course, f Facts, master fleet.Addr) (n int) {
	for _, s := range f.Sentinels {
		if s.Error == "" && s.Report.Master == master && s.Report.ConfigEpoch > c.Epoch {
			n++
		}
	}
	return n
}

// unpromoted: no server has become master yet. The writes are held while the sentinel
// says that it is at it. Where it does not answer they are let go on before another
// sentinel counts the master as down.
func unpromoted(c Course, f Facts) Step {
	ask := f.sentinel(c.Ask.Addr)
	if ask.Error == "" {
		if ask.UnderWay() {
			if f.SinceAsked < holdAfterAsk {
				return step(Wait, "the sentinel on %s carries its failover out", c.Ask.Node)
			}
		} else if ask.Report.Master == c.Master.Addr && f.SinceAsked >= settle {
			return step(Back, "the sentinel on %s gave its failover up", c.Ask.Node)
		}
	}
	if f.SinceAsked < Pause(c.DownAfter) {
		return step(Wait, "the sentinel on %s was asked", c.Ask.Node)
	}
	return step(Leave, "no replica was promoted within %s; the sentinel on %s may still do it, and what the master on %s acknowledges before that can be lost (hazard S13)",
		f.SinceAsked.Round(time.Millisecond), c.Ask.Node, c.Master.Node)
}
