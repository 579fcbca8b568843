package switchover

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

const (
	downAfter = 5 * time.Second
	lineage   = "aaaaaaaaaaaaaaaa"
	offset    = 1000
)

func at(n int) fleet.Member {
	return fleet.Member{Node: "n" + string(rune('0'+n)), Addr: fleet.Addr{Host: "10.0.0." + string(rune('0'+n)), Port: 6379}}
}

func course() Course {
	return Course{DownAfter: downAfter, Master: at(1), Ask: at(2), Epoch: 7, ReplID: lineage, Offset: offset}
}

// inStep are facts upon which the sentinel is asked.
func inStep() Facts {
	f := Facts{Left: Pause(downAfter)}
	for n := 1; n <= 3; n++ {
		s := Server{Member: at(n), Role: fleet.RoleReplica, Master: at(1).Addr, LinkUp: true, ReplID: lineage, Offset: offset, Priority: 100}
		if n == 1 {
			s.Role, s.Master = fleet.RoleMaster, fleet.Addr{}
		}
		f.Servers = append(f.Servers, s)
		f.Sentinels = append(f.Sentinels, Sentinel{Member: at(n), Report: fleet.SentinelReport{Master: at(1).Addr, MasterFlags: "master", ConfigEpoch: 7,
			Replicas: []fleet.SeenInstance{{Addr: at(2).Addr, Promotable: true}, {Addr: at(3).Addr, Promotable: true}}}})
	}
	return f
}

// promoted are facts after n2 was promoted and two sentinels name it.
func promoted() Facts {
	f := inStep()
	f.Asked, f.SinceAsked = true, time.Second
	f.Servers[1] = Server{Member: at(2), Role: fleet.RoleMaster, ReplID: "b", ReplID2: lineage, SecondOffset: offset + 1, Offset: 5000, Priority: 100}
	for i := range 2 {
		f.Sentinels[i].Report.Master, f.Sentinels[i].Report.ConfigEpoch = at(2).Addr, 8
	}
	return f
}

// busy are facts while the asked sentinel carries its failover out.
func busy() Facts {
	f := inStep()
	f.Asked, f.SinceAsked = true, time.Second
	f.Sentinels[1].Report.MasterFlags = "master,failover_in_progress"
	return f
}

// TestNextBeforeAsking: nobody is asked unless every replica that Sentinel could
// promote has all that the master acknowledged and its writes are held (hazard S13).
func TestNextBeforeAsking(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit func(f *Facts)
		want Action
		says string
	}{
		"all in step":                     {func(*Facts) {}, Ask, "offset 1000"},
		"a replica is ahead by a PING":    {func(f *Facts) { f.Servers[2].Offset++ }, Ask, ""},
		"one is behind":                   {func(f *Facts) { f.Servers[2].Offset-- }, Wait, "n3 is at offset 999"},
		"one is behind for too long":      {func(f *Facts) { f.Servers[2].Offset--; f.Since = CatchUp(downAfter) }, Back, "n3 is at offset 999"},
		"in step in the last moment":      {func(f *Facts) { f.Since = CatchUp(downAfter) }, Ask, ""},
		"a silent one tells nothing":      {func(f *Facts) { f.Servers[2] = Server{Member: at(3), Error: "refused"} }, Wait, "n3 does not answer"},
		"both are silent":                 {func(f *Facts) { f.Servers[0].Error, f.Sentinels[1].Error = "x", "x" }, Wait, "master on n1"},
		"stopped, and no master any more": {func(f *Facts) { f.Stop, f.Servers[0].Role = true, fleet.RoleReplica }, Back, "told to stop"},
		"no master, and no pause":         {func(f *Facts) { f.Servers[0].Role, f.Left = fleet.RoleReplica, 0 }, Back, "not the master any more"},
		"no pause, and TILT":              {func(f *Facts) { f.Sentinels[1].Report.Tilt, f.Left = true, 0 }, Back, "pause"},
		"one is behind, almost too long":  {func(f *Facts) { f.Servers[2].Offset--; f.Since = CatchUp(downAfter) - 1 }, Wait, "n3"},
		"one is of another lineage":       {func(f *Facts) { f.Servers[2].ReplID = "other" }, Wait, "n3"},
		"one is silent and could be it":   {func(f *Facts) { f.Servers[2].Error = "refused" }, Wait, "n3 does not answer (refused)"},
		"one is silent and counted out":   {func(f *Facts) { f.Servers[2].Error = "refused"; f.Sentinels[1].Report.Replicas[1].Promotable = false }, Ask, ""},
		"one is behind and seen as lost":  {func(f *Facts) { f.Servers[2].Offset--; f.Sentinels[1].Report.Replicas[1].Promotable = false }, Wait, "n3"},
		"one never may be promoted": {func(f *Facts) {
			f.Servers[2].Priority, f.Servers[2].Offset = 0, 0
			f.Sentinels[1].Report.Replicas[1].Promotable = false
		}, Ask, ""},
		"the sentinel does not know that": {func(f *Facts) { f.Servers[2].Priority = 0 }, Wait, "does not know yet"},
		"nobody can be promoted":          {func(f *Facts) { f.Sentinels[1].Report.Replicas = nil }, Wait, "sees no replica"},
		"nobody can be promoted at all":   {func(f *Facts) { f.Sentinels[1].Report.Replicas = nil; f.Since = CatchUp(downAfter) }, Back, "sees no replica"},
		"the master is silent":            {func(f *Facts) { f.Servers[0].Error = "timeout" }, Wait, "master on n1 does not answer"},
		"the master gave way":             {func(f *Facts) { f.Servers[0].Role = fleet.RoleReplica }, Back, "not the master any more"},
		"the master started again":        {func(f *Facts) { f.Servers[0].ReplID = "new" }, Back, "not the master any more"},
		"the pause is about to end":       {func(f *Facts) { f.Left = Pause(downAfter)/2 - 1 }, Back, "pause"},
		"the pause ended":                 {func(f *Facts) { f.Left = 0 }, Back, "pause"},
		"just enough is left":             {func(f *Facts) { f.Left = Pause(downAfter) / 2 }, Ask, ""},
		"it is told to stop":              {func(f *Facts) { f.Stop = true }, Back, "told to stop"},
		"the sentinel is silent":          {func(f *Facts) { f.Sentinels[1].Error = "timeout" }, Wait, "sentinel on n2 does not answer"},
		"another sentinel is silent":      {func(f *Facts) { f.Sentinels[0].Error = "timeout" }, Ask, ""},
		"the sentinel is in TILT":         {func(f *Facts) { f.Sentinels[1].Report.Tilt = true }, Back, "TILT"},
		"a failover is under way":         {func(f *Facts) { f.Sentinels[2].Report.MasterFlags = "master,failover_in_progress" }, Back, "n3 names"},
		"one counts the master as down":   {func(f *Facts) { f.Sentinels[2].Report.MasterFlags = "s_down,master" }, Back, "n3 names"},
		"one names another":               {func(f *Facts) { f.Sentinels[0].Report.Master = at(3).Addr }, Back, "n1 names"},
		"another says master":             {func(f *Facts) { f.Servers[1].Role = fleet.RoleMaster }, Back, "n2 says that it is master too"},
		"it could promote a stranger": {func(f *Facts) {
			f.Sentinels[1].Report.Replicas = append(f.Sentinels[1].Report.Replicas, fleet.SeenInstance{Addr: at(9).Addr, Promotable: true})
		}, Back, "no server of the group's"},
		"it knows a stranger that is lost": {func(f *Facts) {
			f.Sentinels[1].Report.Replicas = append(f.Sentinels[1].Report.Replicas, fleet.SeenInstance{Addr: at(9).Addr})
		}, Ask, ""},
	} {
		f := inStep()
		tt.edit(&f)
		if got := Next(course(), f); got.Do != tt.want || !strings.Contains(got.Why, tt.says) || got.Why == "" {
			t.Errorf("%s: %+v, want %s and %q", name, got, tt.want, tt.says)
		}
	}
}

// TestAskAnyOfThem: each sentinel of the group can be the one that is asked, and nobody
// else.
func TestAskAnyOfThem(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]Action{1: Ask, 2: Ask, 3: Ask, 4: Wait} {
		c := course()
		c.Ask = at(n)
		if got := Next(c, inStep()); got.Do != want {
			t.Errorf("n%d: %+v", n, got)
		}
	}
	c := course()
	c.Master = at(4)
	if got := Next(c, inStep()); got.Do != Wait && got.Do != Back {
		t.Errorf("a master that is no member: %+v", got)
	}
}

// TestNextAfterAsking: the old master is made a replica of nobody but who was promoted
// with all that it acknowledged, says master, and is named by most sentinels under a
// higher epoch (promise sentinel-owns-master).
func TestNextAfterAsking(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		from func() Facts
		edit func(f *Facts)
		want Action
		says string
	}{
		"promoted and named":               {promoted, func(*Facts) {}, Demote, "n2 is the master"},
		"told to stop, too late":           {promoted, func(f *Facts) { f.Stop = true }, Demote, ""},
		"one sentinel names it":            {promoted, func(f *Facts) { f.Sentinels[0].Report.Master = at(1).Addr }, Wait, "1 of 2"},
		"one names it, one is silent":      {promoted, func(f *Facts) { f.Sentinels[0].Error = "x" }, Wait, "1 of 2"},
		"one names it by the old epoch":    {promoted, func(f *Facts) { f.Sentinels[0].Report.ConfigEpoch = 7 }, Wait, "1 of 2"},
		"named by few for too long":        {promoted, func(f *Facts) { f.Sentinels[0].Error = "x"; f.SinceAsked = holdAfterAsk }, Leave, "1 of 3"},
		"it lacks the last write":          {promoted, func(f *Facts) { f.Servers[1].SecondOffset = offset }, Leave, "without all"},
		"it is of another lineage":         {promoted, func(f *Facts) { f.Servers[1].ReplID2 = "other" }, Leave, "without all"},
		"two are master":                   {promoted, func(f *Facts) { f.Servers[2].Role = fleet.RoleMaster }, Leave, "n2 and n3 both"},
		"the old one follows it":           {promoted, func(f *Facts) { f.Servers[0].Role, f.Servers[0].Master = fleet.RoleReplica, at(2).Addr }, Done, ""},
		"the old one follows another":      {promoted, func(f *Facts) { f.Servers[0].Role, f.Servers[0].Master = fleet.RoleReplica, at(3).Addr }, Demote, ""},
		"the old one is silent":            {promoted, func(f *Facts) { f.Servers[0] = Server{Member: at(1), Error: "timeout"} }, Demote, "n2 is the master"},
		"it is silent for long":            {promoted, func(f *Facts) { f.Servers[0].Error, f.SinceAsked = "timeout", demoteIn-1 }, Demote, ""},
		"it is silent for too long":        {promoted, func(f *Facts) { f.Servers[0].Error, f.SinceAsked = "timeout", demoteIn }, Lapse, "could not be made its replica within 20s"},
		"silent since it was demoted":      {promoted, func(f *Facts) { f.Servers[0].Error, f.SinceAsked, f.Demoted = "timeout", demoteIn, true }, Gone, "silent since (timeout)"},
		"just silent since it was demoted": {promoted, func(f *Facts) { f.Servers[0].Error, f.Demoted = "timeout", true }, Demote, ""},
		"nobody listens there any more":    {promoted, func(f *Facts) { f.Servers[0] = Server{Member: at(1), Error: "refused", Gone: true} }, Gone, "has ended (refused)"},
		"nobody listens, and few name it":  {promoted, func(f *Facts) { f.Servers[0].Gone, f.Sentinels[0].Error = true, "x" }, Wait, "1 of 2"},
		"refused":                          {busy, func(f *Facts) { f.Refused = "NOGOODSLAVE" }, Back, "NOGOODSLAVE"},
		"it is at it":                      {busy, func(*Facts) {}, Wait, "carries"},
		"at it for longer than a pause":    {busy, func(f *Facts) { f.SinceAsked = 2 * Pause(downAfter) }, Wait, "carries"},
		"at it for too long":               {busy, func(f *Facts) { f.SinceAsked = holdAfterAsk }, Leave, "S13"},
		"it does not show it yet":          {busy, func(f *Facts) { f.Sentinels[1].Report.MasterFlags, f.SinceAsked = "master", settle-1 }, Wait, "was asked"},
		"it gave it up":                    {busy, func(f *Facts) { f.Sentinels[1].Report.MasterFlags, f.SinceAsked = "master", settle }, Back, "gave its failover up"},
		"it gave it up late":               {busy, func(f *Facts) { f.Sentinels[1].Report.MasterFlags, f.SinceAsked = "master", gaveUpIn }, Leave, "may still do it"},
		"the asked one is silent":          {busy, func(f *Facts) { f.Sentinels[1].Error = "x" }, Wait, "does not answer (x)"},
		"silent, and was at it just now": {busy, func(f *Facts) {
			f.Sentinels[1].Error, f.SinceAsked, f.Silent = "x", 2*Pause(downAfter), Pause(downAfter)-1
		}, Wait, "does not answer"},
		"it is silent for a pause":         {busy, func(f *Facts) { f.Sentinels[1].Error, f.Silent = "x", Pause(downAfter) }, Leave, "may still do it"},
		"silent, and for too long in all":  {busy, func(f *Facts) { f.Sentinels[1].Error, f.SinceAsked = "x", holdAfterAsk }, Leave, "may still do it"},
		"the promoted one fell silent":     {busy, func(f *Facts) { f.Promoted, f.SinceAsked = true, holdAfterAsk-1 }, Wait, "does not answer as the master"},
		"it fell silent for too long":      {busy, func(f *Facts) { f.Promoted, f.SinceAsked = true, holdAfterAsk }, Leave, "does not answer as the master"},
		"refused, and another is promoted": {promoted, func(f *Facts) { f.Refused = "INPROG" }, Demote, ""},
		"refused, and one was promoted":    {busy, func(f *Facts) { f.Refused, f.Promoted = "INPROG", true }, Wait, ""},
		"the pause ran out meanwhile":      {promoted, func(f *Facts) { f.Left = 0 }, Demote, ""},
	} {
		f := tt.from()
		tt.edit(&f)
		got := Next(course(), f)
		if got.Do != tt.want || !strings.Contains(got.Why, tt.says) || got.Why == "" {
			t.Errorf("%s: %+v, want %s and %q", name, got, tt.want, tt.says)
		}
		if slices.Contains([]Action{Demote, Done, Gone, Lapse}, got.Do) != (got.Master == at(2)) {
			t.Errorf("%s: %+v has the wrong master", name, got)
		}
		if got.Hold != (got.Do == Leave && !strings.Contains(got.Why, "may still do it")) {
			t.Errorf("%s: %+v holds the writes, or does not", name, got)
		}
	}
}

// TestNeverALoss: over facts of all kinds, whoever is asked leaves no replica that lacks
// an acknowledged write and could be promoted, nobody is demoted to a server that
// lacks one or that a minority names, and it is done only where the old master was seen
// as a replica: until then its writes are not let go on once another was promoted.
func TestNeverALoss(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	asked, demoted := 0, 0
	for range 20000 {
		f := generated(random)
		got := Next(course(), f)
		switch got.Do {
		case Ask:
			asked++
			for _, s := range f.Servers[1:] {
				if promotable(f.Sentinels[1], s.Addr) && (s.Error != "" || s.Offset < offset || s.ReplID != lineage) {
					t.Fatalf("asked, and %+v could be promoted", s)
				}
			}
			if f.Asked || f.Left <= 0 {
				t.Fatalf("asked upon %+v", f)
			}
		case Demote, Done, Gone, Lapse:
			demoted++
			if old := f.server(at(1).Addr); got.Do == Done && !old.Follows(got.Master.Addr) {
				t.Fatalf("done, and the old master is %+v", old)
			}
			m := f.server(got.Master.Addr)
			if !f.Asked || m.Role != fleet.RoleMaster || m.SecondOffset <= offset || m.ReplID2 != lineage || naming(course(), f, m.Addr) < 2 || m.Addr == at(1).Addr {
				t.Fatalf("%+v upon %+v", got, f)
			}
		case Back, Leave:
			if f.Asked && !got.Hold && len(promotedOf(course(), f)) > 0 {
				t.Fatalf("%+v lets writes go on that are lost, upon %+v", got, f)
			}
		}
	}
	if asked < 100 || demoted < 100 {
		t.Errorf("only %d were asked and %d demoted: the generator shows nothing", asked, demoted)
	}
}

// generated changes some of what facts of a good course say.
func generated(random *rand.Rand) Facts {
	f := []func() Facts{inStep, promoted, busy}[random.IntN(3)]()
	f.Since, f.Left = time.Duration(random.Int64N(int64(downAfter))), time.Duration(random.Int64N(int64(Pause(downAfter)*2)))-Pause(downAfter)/2
	if f.Asked {
		f.SinceAsked = time.Duration(random.Int64N(int64(2 * holdAfterAsk)))
		f.Demoted = random.IntN(4) == 0
	}
	for range random.IntN(4) {
		s, w := &f.Servers[random.IntN(3)], &f.Sentinels[random.IntN(3)].Report
		switch random.IntN(13) {
		case 0:
			s.Error = "silent"
		case 1:
			s.Role = fleet.RoleMaster
		case 2:
			s.Role, s.Master = fleet.RoleReplica, at(1+random.IntN(3)).Addr
		case 3:
			s.Offset += int64(random.IntN(3)) - 1
		case 4:
			s.SecondOffset += int64(random.IntN(3)) - 1
		case 5:
			s.ReplID, s.ReplID2 = "other", "other"
		case 6:
			s.Priority = 0
		case 7:
			f.Sentinels[random.IntN(3)].Error = "silent"
		case 8:
			w.Master = at(1 + random.IntN(3)).Addr
		case 9:
			w.ConfigEpoch = uint64(6 + random.IntN(3))
		case 10:
			w.Replicas[random.IntN(2)].Promotable = random.IntN(2) == 0
		case 11:
			s.Error, s.Gone = "refused", true
		case 12:
			f.Refused = "INPROG"
		}
	}
	return f
}

// TestBounds: whoever holds the writes and dies leaves them held for less than
// down-after, however late the sentinel was asked. TestRuns has it happen.
func TestBounds(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{ShortestDownAfter, downAfter, 30 * time.Second, time.Hour} {
		if p := Pause(d); p/2+p > d*9/10 || CatchUp(d) >= p/2 || p > longestPause || p < 1800*time.Millisecond {
			t.Errorf("down-after %s: held for %s, asked after %s", d, p, CatchUp(d))
		}
	}
}

// TestHoldOn: the pause is begun anew when half of it is over, and before the asking not
// at all.
func TestHoldOn(t *testing.T) {
	t.Parallel()
	half := Pause(downAfter) / 2
	for _, tt := range []struct {
		asked bool
		left  time.Duration
		want  bool
	}{{true, half + 1, false}, {true, half, true}, {true, 0, true}, {false, half, false}, {false, 0, false}} {
		if got := HoldOn(course(), Facts{Asked: tt.asked, Left: tt.left}); got != tt.want {
			t.Errorf("asked %v, %s left: %v", tt.asked, tt.left, got)
		}
	}
}
