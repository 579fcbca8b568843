package switchover

import (
	"slices"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Seen is what the looks of one run have told so far, beside the last one.
type Seen struct {
	// Lapsed: the old master may have taken writes after it was first held, and these
	// are lost where another one took over (hazard S13).
	Lapsed bool
	// safe: it takes no writes any more, for all that was seen of it.
	safe              bool
	demoted, promoted bool
	// answered is when the asked sentinel last answered, as Facts.Since.
	answered time.Duration
}

// Late tells that its pause has run out before the next one began.
func (s *Seen) Late() { s.Lapsed = s.Lapsed || !s.safe }

// Demote tells that the old master has answered that it is a replica of the new one
// now, when its writes were held for so long on.
func (s *Seen) Demote(left time.Duration) {
	if left <= 0 {
		s.Late()
	}
	s.safe, s.demoted = true, true
}

// Add takes in the facts of one look, and returns them with what is known from those
// before. A pause that has run out counts, whether or not somebody looked meanwhile:
// whoever runs this may have been frozen.
func (s *Seen) Add(c Course, f Facts) Facts {
	old := f.server(c.Master.Addr)
	if f.Left <= 0 {
		s.Late()
	}
	if old.Role == fleet.RoleMaster && (s.safe || old.ReplID != c.ReplID) {
		s.Lapsed = true // it started again, and nobody holds its writes
	}
	s.safe = s.safe || old.Gone || old.Role == fleet.RoleReplica
	s.promoted = s.promoted || len(promotedOf(c, f)) > 0 || elsewhere(c, f)
	s.answered = max(s.answered, f.Since-f.SinceAsked)
	if f.sentinel(c.Ask.Addr).Error == "" {
		s.answered = f.Since
	}
	f.Demoted, f.Promoted, f.Silent = s.demoted, s.promoted, f.Since-s.answered
	if s.Lapsed {
		f.Left = 0
	}
	return f
}

// promotedOf are the servers beside the old master that say that they are master.
func promotedOf(c Course, f Facts) (out []Server) {
	for _, s := range f.Servers {
		if s.Addr != c.Master.Addr && s.Error == "" && s.Role == fleet.RoleMaster {
			out = append(out, s)
		}
	}
	return out
}

// elsewhere: a sentinel names another master than the old one under a higher epoch.
func elsewhere(c Course, f Facts) bool {
	return slices.ContainsFunc(f.Sentinels, func(s Sentinel) bool {
		return s.Error == "" && s.Report.Master != c.Master.Addr && s.Report.ConfigEpoch > c.Epoch
	})
}
