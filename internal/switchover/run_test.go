package switchover

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestRuns carries many planned failovers out on a simulated group, in virtual time:
// servers and sentinels stall and so does who runs it, the old master dies, replicas
// and Sentinel are late or never come. Whatever happens:
//
//   - a run that says nothing was lost has left the old master a replica or dead, and
//     never did it take a write after it was held;
//   - no write is let go on at a master that another one has replaced, as far as any
//     look showed;
//   - whoever dies leaves the writes held for less than down-after, until a promotion
//     shows that holding on leads somewhere.
func TestRuns(t *testing.T) {
	t.Parallel()
	ended := map[string]int{}
	for seed := range uint64(seeds) {
		g := newSimulated(seed)
		how, bad := g.run()
		if bad != "" {
			t.Fatalf("seed %d: %s: %s\n%+v", seed, how, bad, g)
		}
		ended[how]++
	}
	for _, how := range []string{"done", "done, and lapsed", "gone", "gone, and lapsed", "lapse, and lapsed", "back", "leave", "leave, and hold"} {
		if ended[how] < 5 {
			t.Errorf("%q was seen %d times: %v", how, ended[how], ended)
		}
	}
	t.Logf("%v", ended)
}

// seeds are as many as make each end come.
const seeds = 2000

const (
	ms = time.Millisecond
	// aLook is how long a look waits for who is silent, aCall one command.
	aLook, aCall = 400 * ms, time.Second
	never        = time.Hour
)

// stall is a time in which somebody does not run.
type stall struct{ from, to time.Duration }

func (s stall) at(t time.Duration) bool { return t >= s.from && t < s.to }

// simulated is a group of three and a run on it. Times are from the first hold on.
type simulated struct {
	random *rand.Rand
	c      Course
	// now is the time; inStep when the replicas have everything.
	now, inStep time.Duration
	// servers, sentinels and runner stall.
	servers, sentinels [3]stall
	runner             stall
	// asked, promoted, named and given (Sentinel's own demotion) are when that
	// happens; dies is when the old master's process does.
	asked, promoted, named, given, dies time.Duration

	// until is to when the old master is paused, demoted when it was made a replica.
	until, demoted time.Duration
	// tried: the run wanted to ask.
	tried bool
	seen  Seen
	// leaked: it took a write after it was first held. shown: a look showed that
	// another server was promoted.
	leaked, shown bool
}

func newSimulated(seed uint64) *simulated {
	r := rand.New(rand.NewPCG(seed, 1))
	g := &simulated{random: r, c: course(), asked: never, promoted: never, named: never, given: never, dies: never, demoted: never}
	g.c.DownAfter = []time.Duration{ShortestDownAfter, downAfter, 30 * time.Second}[r.IntN(3)]
	g.until = Pause(g.c.DownAfter)
	if r.IntN(4) == 0 {
		g.inStep = upTo(r, Pause(g.c.DownAfter))
	}
	for _, list := range []*[3]stall{&g.servers, &g.sentinels} {
		for i := range list {
			if r.IntN(4) == 0 {
				list[i] = someStall(r)
			}
		}
	}
	if r.IntN(6) == 0 {
		g.runner = someStall(r)
	}
	if r.IntN(8) == 0 {
		g.dies = upTo(r, 4*time.Second)
	}
	return g
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

// someStall is short mostly, and sometimes longer than all bounds.
func someStall(r *rand.Rand) stall {
	from := upTo(r, 4*time.Second)
	return stall{from, from + upTo(r, []time.Duration{500 * ms, 3 * time.Second, 15 * time.Second, 40 * time.Second}[r.IntN(4)])}
}

// run is what the doer does, with calls that take their time.
func (g *simulated) run() (how, bad string) {
	for {
		f := g.facts()
		step := Next(g.c, f)
		switch step.Do {
		case Ask:
			g.tried = true
			if g.pause() && !g.seen.Lapsed {
				g.ask()
			}
		case Demote:
			g.demote()
		case Wait:
		default:
			return g.end(step)
		}
		if !g.tried && g.until > Pause(g.c.DownAfter) {
			return "asking", "writes are held for longer than a pause, and nobody was asked"
		}
		if g.asked == g.now && g.until >= g.c.DownAfter {
			return "asked", "whoever dies now leaves the writes held for down-after"
		}
		if f.Left = g.left(); HoldOn(g.c, f) {
			g.pause()
		}
		g.pass(100 * ms)
	}
}

// pass lets time go by, and the runner's stall with it.
func (g *simulated) pass(d time.Duration) {
	g.now += d
	if g.runner.at(g.now) {
		g.now = g.runner.to
	}
}

func (g *simulated) left() time.Duration { return g.until - g.now }

// lives, and master: the old master.
func (g *simulated) lives() bool  { return g.now < g.dies }
func (g *simulated) master() bool { return g.now < g.demoted }

// called is one command to the old master: whether it answered, and when it took it.
func (g *simulated) called() (answered bool, took time.Duration) {
	switch {
	case !g.lives():
		return false, never
	case g.servers[0].at(g.now):
		took = g.servers[0].to // it lies in its socket until then
		g.pass(aCall)
		return false, took
	}
	took = g.now
	g.pass(ms)
	return true, took
}

// leaks notes that the old master was a master and not held until a time.
func (g *simulated) leaks(until time.Duration) {
	until = min(until, g.dies, g.demoted)
	if g.until < until {
		g.leaked = true
	}
}

func (g *simulated) pause() bool {
	answered, took := g.called()
	if took == never {
		return false
	}
	g.leaks(took)
	if g.asked != never && took > g.until || answered && g.left() <= 0 {
		g.seen.Late()
	}
	if took < g.demoted {
		g.until = max(g.until, took+Pause(g.c.DownAfter))
	}
	return answered
}

// ask: Sentinel promotes and names in its time, or not at all.
func (g *simulated) ask() {
	g.asked = g.now
	if g.random.IntN(10) == 0 {
		return
	}
	g.promoted = g.now + 100*ms + upTo(g.random, []time.Duration{500 * ms, 2 * time.Second, 15 * time.Second}[g.random.IntN(3)])
	if s := g.servers[1]; s.at(g.promoted) {
		g.promoted = s.to
	}
	g.named = g.promoted + 100*ms + upTo(g.random, 1500*ms)
	g.given = g.named + 7*time.Second + upTo(g.random, 3*time.Second)
	if s := g.servers[0]; s.at(g.given) {
		g.given = s.to
	}
	if g.given < g.dies {
		g.demoted = g.given
	}
}

func (g *simulated) demote() {
	answered, took := g.called()
	if took == never {
		return
	}
	g.leaks(took)
	if took < g.dies {
		g.demoted = min(g.demoted, took)
	}
	if answered {
		g.seen.Demote(g.left())
	}
}

// facts is one look, which takes as long as who is silent makes it.
func (g *simulated) facts() Facts {
	f := inStep()
	silent := func(s stall) bool { return s.at(g.now) }
	takes := 5 * ms
	for i := range f.Servers {
		s := &f.Servers[i]
		switch {
		case i == 0 && !g.lives():
			*s = Server{Member: s.Member, Error: "refused", Gone: true}
		case silent(g.servers[i]):
			*s, takes = Server{Member: s.Member, Error: "timeout"}, aLook
		case i == 0 && !g.master():
			s.Role, s.Master = fleet.RoleReplica, at(2).Addr
		case i == 1 && g.now >= g.promoted:
			*s = promoted().Servers[1]
			g.shown = true
		case i > 0 && g.now < g.inStep:
			s.Offset--
		}
	}
	for i, later := range []time.Duration{30 * ms, 0, 60 * ms} { // the asked one knows first
		s := &f.Sentinels[i]
		switch {
		case silent(g.sentinels[i]):
			*s, takes = Sentinel{Member: s.Member, Error: "timeout"}, aLook
		case g.now >= g.named+later:
			s.Report.Master, s.Report.ConfigEpoch = at(2).Addr, 8
			g.shown = true
		case i == 1 && g.asked != never && g.now < g.named:
			s.Report.MasterFlags = "master,failover_in_progress"
		}
	}
	g.pass(takes)
	f.Since, f.Left, f.Asked = g.now, g.left(), g.asked != never
	if f.Asked {
		f.SinceAsked = g.now - g.asked
	}
	return g.seen.Add(g.c, f)
}

// end holds what the run says against what is.
func (g *simulated) end(step Step) (how, bad string) {
	how = string(step.Do)
	if g.seen.Lapsed && (step.Do == Done || step.Do == Gone || step.Do == Lapse) {
		how += ", and lapsed"
	}
	if step.Hold {
		how += ", and hold"
	}
	g.leaks(g.now)
	safe := !g.lives() || !g.master()
	release := step.Do == Done || (step.Do == Back || step.Do == Leave) && !step.Hold
	switch {
	case (step.Do == Done || step.Do == Gone) && !safe:
		return how, "the old master takes writes"
	case (step.Do == Done || step.Do == Gone) && g.leaked && !g.seen.Lapsed:
		return how, "the old master took writes, and nobody says so"
	case release && g.lives() && g.master() && g.shown:
		return how, "writes go on that are lost"
	case step.Do == Back && g.promoted < g.now:
		return how, "nothing was changed, it says"
	case g.now > g.asked+demoteIn+2*aCall+2*aLook+g.runner.to-g.runner.from:
		return how, fmt.Sprintf("it took %s", g.now)
	}
	return how, ""
}
