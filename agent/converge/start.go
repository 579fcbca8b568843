package converge

import (
	"slices"
	"time"

	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
)

// peerPatience is how long a first start waits for its peers to listen: Redis
// and Sentinel try a refused connection again only after a whole second, so
// starting some milliseconds too early costs more than waiting for them.
const peerPatience = time.Second

// defaultPriority is Redis's own default of replica-priority.
const defaultPriority = 100

func startRedis(g *fleet.InstanceGoal, in Instance, f Facts, row fleet.Transition) ([]Step, why) {
	c := fenceCase(g, in, f.Now)
	var d fence.Decision
	if row.Step == fleet.StepStart {
		d = fence.First(c)
	} else {
		d = fence.Decide(c)
	}
	if !d.Start {
		return nil, why{d.Rule, d.Reason}
	}
	if d.Follow != (fleet.Addr{}) && g.Seed != nil && waitFor(in, f, d.Follow) {
		return nil, why{"await-master", "waiting until the master " + d.Follow.String() + " listens"}
	}
	s := Step{Kind: StartRedis, Instance: g.ID, Reason: d.Reason, Follow: d.Follow, Asked: in.Asked,
		Fenced: row.Step == fleet.StepReturn, Quick: d.Rule == fence.RuleQuickRestart, GaveUp: in.Memory.GaveUp, SnapshotFirst: in.Disk.SnapshotOnly, Priority: defaultPriority}
	if d.Follow != (fleet.Addr{}) && !besideNone(g, in, d.Follow) && (lacksData(g, in) || leftBehind(g, in, c, d.Follow)) {
		s.Priority = 0
	}
	return []Step{s}, why{d.Rule, d.Reason}
}

// lacksData: the replica is new, lost its data, never caught up, or is empty
// beside a server that is not, and must not be promotable before it has caught up
// (hazard S19). One that was last seen in step with an empty group is none of
// these.
func lacksData(g *fleet.InstanceGoal, in Instance) bool {
	beside := slices.ContainsFunc(in.Servers, func(s fence.ServerView) bool { return s.Answered && (s.Keys > 0 || s.Loading) })
	lost := !in.Disk.Dataset.Present && (hadData(g, in) || !in.Memory.Started || beside)
	return in.Memory.RaisePriority || lost
}

// hadData: the instance held data when it ran, or its group was written to while it
// formed, which a disk that is lost takes from the memory.
func hadData(g *fleet.InstanceGoal, in Instance) bool { return in.Memory.HadData || written(g) }

// unseen: it was started, and nobody has seen it answer since: its agent stood still, or
// ended with its machine. Clients may have written to it meanwhile, and this node's goal
// may be older than the news of that (no-empty-master; simulation, seed 5309). Where it
// kept its files they say what it held; where it has none it waits for the others' word.
func unseen(in Instance) bool { return in.Memory.Started && in.Memory.ReplID == "" }

// written: the group forms, and clients wrote to it already.
func written(g *fleet.InstanceGoal) bool { return g.Seed != nil && g.Seed.Written }

// aloneFor is how much longer than the instance has been down most sentinels must
// have run to show that the group lived on without it. After a loss of power
// everywhere they come up within that time of each other.
const aloneFor = time.Minute

// leftBehind: the replica holds data, and the group took writes without it, so
// that it would lose them as the next master: its master answers and holds data,
// or another server that answers has gone further or was promoted, of which its sentinel
// may not have told the others yet (simulation, seed 3594), or a sentinel heard its master
// after it, or most sentinels have run all the time. Sentinel itself takes a replica that
// has never had a link since its start for a good one, however old its data is
// (hazard S19; seen on Redis 7.0.15: 500 of 501 acknowledged writes lost). After a
// loss of power everywhere nobody was left behind, and any replica may have to
// take over.
func leftBehind(g *fleet.InstanceGoal, in Instance, c fence.Case, master fleet.Addr) bool {
	if g.Seed != nil && !written(g) {
		return false
	}
	if slices.ContainsFunc(in.Servers, func(s fence.ServerView) bool {
		return s.Addr == master && s.Answered && (s.Keys > 0 || s.Loading)
	}) || outrun(c) || outlived(c, master) {
		return true
	}
	if _, promoted := fence.Succeeded(c); promoted {
		return true
	}
	ran := 0
	for _, s := range in.Sentinels {
		if s.Answered && s.Uptime > c.DownFor+aloneFor {
			ran++
		}
	}
	return in.Disk.Dataset.Present && ran >= fleet.Majority(len(in.Sentinels))
}

// heardMargin is half a sentinel's ping period: so much later it can have heard the one
// than the other of two servers that ended at one moment. More proves it better, and
// tells less of those that ended a second or two after each other; in doubt the group
// waits for its last master.
const heardMargin = 500 * time.Millisecond

// outlived: a sentinel that had run meanwhile heard the master when this instance had
// ended. No clock of this machine says when that was, after a loss of power; one
// sentinel is enough, since in a group of two there is no majority that has not been
// down (simulation, seed 834).
func outlived(c fence.Case, master fleet.Addr) bool {
	return slices.ContainsFunc(c.Sentinels, func(v fence.SentinelView) bool {
		return v.Answered && v.Names == master && v.SelfSilence > v.Silence+heardMargin
	})
}

// outrun: a server that answers is further in the history that the files of this
// one tell. Only without an append-only file are they all that it comes back with;
// with one, they say no more than where that began.
func outrun(c fence.Case) bool {
	return c.Self.Volatile && c.Self.Lineage != "" && slices.ContainsFunc(c.Servers, func(s fence.ServerView) bool {
		return s.Answered && s.Keys > 0 && s.Offset > c.Self.Offset && (s.ReplID == c.Self.Lineage || s.ReplID2 == c.Self.Lineage)
	})
}

// besideNone: nobody in the group held data when its initial master was elected nor
// showed any since, and that one is still the master to follow. One that the sentinels
// have promoted since may have taken writes (hazard S19).
func besideNone(g *fleet.InstanceGoal, in Instance, master fleet.Addr) bool {
	return g.Seed != nil && g.Seed.Fresh && !hadData(g, in) && master == g.Seed.Master
}

func fenceCase(g *fleet.InstanceGoal, in Instance, now time.Time) fence.Case {
	c := fence.Case{
		Topology: g.Topology,
		Self: fence.Self{
			Addr: g.Addr, Follows: in.Disk.Follows, NoRole: in.Disk.NoRole,
			HasData: in.Disk.Dataset.Present, HadData: hadData(g, in) || unseen(in), ReplID: in.Memory.ReplID,
			Ran: in.Memory.ReplID != "", Volatile: !g.Config.Persistent(), Lineages: in.Memory.Lineages.List(),
			Lineage: in.Disk.Dataset.ReplID, Offset: in.Disk.Dataset.Offset,
			DataBytes: in.Disk.Bytes, Retried: in.Memory.Retried,
			Rebooted: in.Memory.Boot != in.Boot,
			GaveUp:   in.Memory.GaveUp != GaveUp{}, Asked: in.Memory.GaveUp.Sentinel,
		},
		Sentinels: in.Sentinels, Servers: in.Servers, Seed: g.Seed,
	}
	if !in.DownSince.IsZero() {
		c.DownFor = now.Sub(in.DownSince)
	}
	if g.Monitor != nil {
		c.DownAfter, c.FailoverTimeout = g.Monitor.DownAfter.Std(), g.Monitor.FailoverTimeout.Std()
		c.Quorum, c.Restart = g.Monitor.Quorum, g.Monitor.OnCrash == fleet.OnCrashRestart
	}
	return c
}

// startSentinel: a sentinel that ran before starts from its own file at once
// (promise sentinel-state-kept); a new one, or one that lost its folder, needs to
// know the master.
func startSentinel(g *fleet.InstanceGoal, in Instance, f Facts, row fleet.Transition) ([]Step, why) {
	s := Step{Kind: StartSentinel, Instance: g.ID, Reason: row.Reason}
	if row.Step == fleet.StepReturn && !in.Disk.NoRole {
		s.Fenced = true
		return []Step{s}, why{reason: row.Reason}
	}
	if g.Seed != nil {
		for _, m := range g.Servers {
			if waitFor(in, f, m.Addr) {
				return nil, why{reason: "waiting until " + m.Addr.String() + " listens"}
			}
		}
		s.Follow = g.Seed.Master
		return []Step{s}, why{reason: row.Reason}
	}
	c := fenceCase(g, in, f.Now)
	c.Self.Addr = fleet.Addr{} // a sentinel can follow whatever master is named
	d := fence.First(c)
	if !d.Start || d.Follow == (fleet.Addr{}) {
		return nil, why{d.Rule, "the sentinel does not know whom to watch: " + d.Reason}
	}
	s.Follow, s.Reason = d.Follow, d.Reason
	return []Step{s}, why{d.Rule, d.Reason}
}

func waitFor(in Instance, f Facts, peer fleet.Addr) bool {
	return !in.Listening[peer] && f.Now.Sub(in.DownSince) < peerPatience
}
