package switchover

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestSeen: that the old master could take writes is not forgotten, also where nobody
// looked while it could, and is not said of one that could not.
func TestSeen(t *testing.T) {
	t.Parallel()
	replica := func(f *Facts) { f.Servers[0].Role, f.Servers[0].Master = fleet.RoleReplica, at(2).Addr }
	over := func(f *Facts) { f.Left = 0 }
	gone := func(f *Facts) { f.Servers[0] = Server{Member: at(1), Error: "refused", Gone: true} }
	for name, tt := range map[string]struct {
		looks  []func(f *Facts)
		lapsed bool
	}{
		"held on":                              {[]func(f *Facts){func(f *Facts) { f.Left = 1 }}, false},
		"the pause is over":                    {[]func(f *Facts){over}, true},
		"it was over, and is held again":       {[]func(f *Facts){over, func(*Facts) {}}, true},
		"over, and a replica since":            {[]func(f *Facts){func(f *Facts) { over(f); replica(f) }}, true},
		"a replica, and over since":            {[]func(f *Facts){replica, over}, true}, // it answers as a master again
		"a replica, and over since and silent": {[]func(f *Facts){replica, func(f *Facts) { over(f); f.Servers[0] = Server{Member: at(1), Error: "timeout"} }}, false},
		"its process ended":                    {[]func(f *Facts){gone, func(f *Facts) { over(f); gone(f) }}, false},
		"its process ended after the pause":    {[]func(f *Facts){func(f *Facts) { over(f); gone(f) }}, true},
		"it ended, and is a master again":      {[]func(f *Facts){gone, func(*Facts) {}}, true},
		"it started again unseen":              {[]func(f *Facts){func(f *Facts) { f.Servers[0].ReplID = "new" }}, true},
	} {
		var s Seen
		var f Facts
		for _, edit := range tt.looks {
			f = promoted()
			edit(&f)
			left := f.Left
			f = s.Add(course(), f)
			if s.Lapsed && f.Left != 0 || !s.Lapsed && f.Left != left {
				t.Errorf("%s: %s are left", name, f.Left)
			}
		}
		if s.Lapsed != tt.lapsed || !f.Promoted {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestLate: a pause that ran out between two looks counts, unless the old master was
// made a replica before.
func TestLate(t *testing.T) {
	t.Parallel()
	over := promoted()
	over.Left, over.Servers[0].Role = 0, fleet.RoleReplica
	for name, tt := range map[string]struct {
		do     func(s *Seen)
		lapsed bool
	}{
		"over":                        {func(s *Seen) { s.Late() }, true},
		"demoted in time":             {func(s *Seen) { s.Demote(1) }, false},
		"demoted, and over since":     {func(s *Seen) { s.Demote(1); s.Late(); s.Add(course(), over) }, false},
		"demoted too late":            {func(s *Seen) { s.Demote(0) }, true},
		"demoted, and a master again": {func(s *Seen) { s.Demote(1); s.Add(course(), promoted()) }, true},
	} {
		var s Seen
		tt.do(&s)
		if s.Lapsed != tt.lapsed {
			t.Errorf("%s: %+v", name, s)
		}
		if f := s.Add(course(), over); f.Demoted == (name == "over") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestSilent: how long the asked sentinel is silent counts from its last answer, and from
// the asking where it has not answered since. Who was promoted is not forgotten.
func TestSilent(t *testing.T) {
	t.Parallel()
	var s Seen
	for i, look := range []struct {
		since, asked time.Duration
		silent       bool
		promoted     bool
		want         time.Duration
	}{
		{since: 10, want: 0},
		{since: 40, asked: 20, silent: true, want: 20},
		{since: 50, asked: 30, silent: true, want: 30},
		{since: 60, asked: 40, promoted: true, want: 0},
		{since: 90, asked: 70, silent: true, want: 30},
	} {
		f := busy()
		if look.promoted {
			f = promoted()
		}
		f.Since, f.SinceAsked, f.Asked = look.since, look.asked, look.asked > 0
		if look.silent {
			f.Sentinels[1].Error = "timeout"
		}
		if f = s.Add(course(), f); f.Silent != look.want || f.Promoted != (i >= 3) {
			t.Errorf("look %d: %+v", i, f)
		}
	}
}

// TestPromotedIsKept: whom a server or a sentinel once showed as promoted stays so, also
// where all fall silent. A name under the old epoch, or of the old master, is none.
func TestPromotedIsKept(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit func(f *Facts)
		want bool
	}{
		"nobody":                  {func(*Facts) {}, false},
		"a server":                {func(f *Facts) { f.Servers[1].Role = fleet.RoleMaster }, true},
		"a sentinel":              {func(f *Facts) { f.Sentinels[0].Report.Master, f.Sentinels[0].Report.ConfigEpoch = at(2).Addr, 8 }, true},
		"under the old epoch":     {func(f *Facts) { f.Sentinels[0].Report.Master = at(2).Addr }, false},
		"the old one under a new": {func(f *Facts) { f.Sentinels[0].Report.ConfigEpoch = 8 }, false},
		"who does not answer":     {func(f *Facts) { f.Sentinels[0] = Sentinel{Error: "x", Report: fleet.SentinelReport{ConfigEpoch: 8}} }, false},
	} {
		var s Seen
		f := busy()
		tt.edit(&f)
		s.Add(course(), f)
		if f = s.Add(course(), busy()); f.Promoted != tt.want {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
