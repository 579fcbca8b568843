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
	// Done: Step.Master is the master, and the old one has answered as its replica. The
	// writes are let go on, which the old one refuses.
	Done Action = "done"
	// Gone: Step.Master is the master, and the old one takes no writes, since its process
	// has ended, or it was made a replica and is silent since. Nothing is left to be done.
	Gone Action = "gone"
	// Lapse: Step.Master is the master, and the old one could not be made its replica.
	// What it acknowledges until Sentinel does that is lost.
	Lapse Action = "lapse"
	// Back: nothing was changed. The writes are let go on.
	Back Action = "back"
	// Leave: the sentinel was asked and nobody knows what will come of it, or what came
	// is not what was wanted. Sentinel decides.
	Leave Action = "leave"
)

// Step is an action with its reason.
type Step struct {
	Do Action
	// Master is who is master now, for Demote, Done, Gone and Lapse.
	Master fleet.Member
	// Hold: the old master's writes are not let go on. What it would acknowledge is
	// lost, since another server was promoted, and it is not known to be a replica. They
	// go on when the pause ends.
	Hold bool
	Why  string
}

func step(do Action, format string, args ...any) Step {
	return Step{Do: do, Why: fmt.Sprintf(format, args...)}
}

// Next is the next step, upon facts that Seen.Add returned. It makes no server a master, and gives the old one no role
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
	case f.Left < Pause(c.DownAfter)/2:
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
	masters := promotedOf(c, f)
	switch len(masters) {
	case 0:
		return unpromoted(c, f)
	case 1:
		return took(c, f, masters[0])
	}
	return held("the servers on %s and %s both say that they are master", masters[0].Node, masters[1].Node)
}

// held leaves it to Sentinel once another server was promoted.
func held(format string, args ...any) Step {
	s := step(Leave, format, args...)
	s.Hold = true
	return s
}

// took is the next step once one server was promoted.
func took(c Course, f Facts, m Server) Step {
	if m.ReplID2 != c.ReplID || m.SecondOffset <= c.Offset {
		return held("the server on %s was promoted without all that the master on %s acknowledged (offset %d of %.8s, wanted %d of %.8s)",
			m.Node, c.Master.Node, m.SecondOffset-1, m.ReplID2, c.Offset, c.ReplID)
	}
	if n, most := naming(c, f, m.Addr), len(f.Sentinels)/2+1; n < most {
		if f.SinceAsked >= holdAfterAsk {
			return held("the server on %s was promoted, and %d of %d sentinels name it", m.Node, n, len(f.Sentinels))
		}
		return step(Wait, "%d of %d sentinels name the server on %s", n, most, m.Node)
	}
	s := give(c, f, m)
	s.Master = m.Member
	return s
}

// give is the next step once the old master has to give way to m. One look in which it
// is silent says nothing: it may live and be held up, so it is made a replica as if it
// were there, until it answers as one or nobody listens there any more.
func give(c Course, f Facts, m Server) Step {
	switch old := f.server(c.Master.Addr); {
	case old.Follows(m.Addr):
		return step(Done, "the server on %s is the master", m.Node)
	case old.Gone:
		return step(Gone, "the server on %s is the master; that on %s has ended (%s), so nothing that it held was acknowledged", m.Node, c.Master.Node, old.Error)
	case f.SinceAsked < demoteIn:
		return step(Demote, "the server on %s is the master", m.Node)
	case f.Demoted:
		return step(Gone, "the server on %s was made a replica of that on %s, and is silent since (%s)", c.Master.Node, m.Node, old.Error)
	default:
		return step(Lapse, "the server on %s is the master, and that on %s could not be made its replica within %s: until Sentinel does that it may take writes, which are lost",
			m.Node, c.Master.Node, demoteIn)
	}
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

// unpromoted: no other server says now that it is master. The writes are held while the
// sentinel says that it is at it, and where one was promoted and is silent.
func unpromoted(c Course, f Facts) Step {
	ask := f.sentinel(c.Ask.Addr)
	patient := f.SinceAsked < holdAfterAsk
	switch {
	case f.Promoted:
		if patient {
			return step(Wait, "a server was promoted, and does not answer as the master")
		}
		return held("a server was promoted, and does not answer as the master")
	case f.Refused != "":
		return step(Back, "the sentinel on %s refused: %s", c.Ask.Node, f.Refused)
	case ask.Error == "" && ask.UnderWay():
		if patient {
			return step(Wait, "the sentinel on %s carries its failover out", c.Ask.Node)
		}
	case ask.Error == "":
		if f.SinceAsked < settle {
			return step(Wait, "the sentinel on %s was asked", c.Ask.Node)
		}
		if f.SinceAsked < gaveUpIn {
			return step(Back, "the sentinel on %s gave its failover up", c.Ask.Node)
		}
	case patient && f.Silent < Pause(c.DownAfter):
		return step(Wait, "the sentinel on %s was asked, and does not answer (%s)", c.Ask.Node, ask.Error)
	}
	return step(Leave, "no replica was promoted within %s; the sentinel on %s may still do it, and what the master on %s acknowledges before that can be lost (hazard S13)",
		f.SinceAsked.Round(time.Millisecond), c.Ask.Node, c.Master.Node)
}
