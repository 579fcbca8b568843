package fleettest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/publish"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	clients "github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/history/record"
	"github.com/redfleet/redfleet/internal/redis"
)

// evident gives a group a down-after that leaves an agent time to ask on a machine
// that is busy, and after which Sentinel's own failover comes where it did not.
func evident(g *fleet.GroupSpec) {
	g.Sentinel.DownAfter, g.Sentinel.FailoverTimeout = fleet.Duration(12*time.Second), fleet.Duration(10*time.Second)
}

// crashScene is a group whose master is about to be killed, with clients.
type crashScene struct {
	*Fleet
	t      *testing.T
	consul *devconsul.Server
	// faults are Consul's while a crash is met.
	faults devconsul.Faults
	// old is the node of the master that dies.
	old int
	rec *record.Recorder
	// asked counts the requests to sentinels.
	asked atomic.Int32
	// stall is for how long an agent stands still right before it would ask.
	stall atomic.Int64
}

// newCrash brings a group up and waits until a crash of its master would be met.
func newCrash(t *testing.T, c *cut, edit func(*fleet.GroupSpec)) *crashScene {
	t.Helper()
	server, addr := StandIn(t)
	s := &crashScene{Fleet: New(t, &nets, addr), t: t, consul: server}
	s.Apply(fleet.SpecRecord{Spec: s.Spec(3, edit)})
	s.StartCoordinator(1, nil)
	for i := 1; i <= 3; i++ {
		if c != nil {
			s.mortalAgent(i, c)
			continue
		}
		s.StartAgent(i, func(o *agent.Options) { o.Hook = s.count })
	}
	s.ready()
	s.record()
	return s
}

// ready waits until a crash of the master would be met.
func (s *crashScene) ready() {
	t := s.t
	t.Helper()
	s.old = index(t, s.WaitServing(servingIn).Master.Node)
	eventually(t, servingIn, "the master's agent knows that the group serves", func() bool {
		return strings.Contains(read(t, memoryFile(s.Fleet, s.old)), `"served": true`)
	})
	eventually(t, failoverIn, "each sentinel could promote a replica", s.promotable)
	eventually(t, failoverIn, "both replicas are online", func() bool {
		in, err := s.Redis(s.old).Observe(t.Context())
		return err == nil && len(in.Replicas) == 2 && !slices.ContainsFunc(in.Replicas, func(r redis.Replica) bool { return r.State != "online" })
	})
	time.Sleep(masterLook) // its agent has seen that too
}

// crash kills the master, until that is met. On a busy machine the agent can stand still
// for too long, or not get an answer in time, of a sentinel, a replica or Consul, and
// then asks nobody (TestEvidenceLong); when the group is whole after that the master is
// killed again, twice at most.
func (s *crashScene) crash(met func() bool) {
	s.t.Helper()
	const nobody = "asks nobody for a failover"
	for range 3 {
		before, asked := strings.Count(s.Log.String(), nobody), s.asked.Load()
		s.consul.SetFaults(s.faults)
		kill(s.t, s.Fleet, s.old, fleet.KindRedis)
		eventually(s.t, failoverIn, "the crash is met, or nobody is asked", func() bool {
			return met() || strings.Count(s.Log.String(), nobody) > before
		})
		s.consul.SetFaults(devconsul.Faults{})
		if met() {
			return
		}
		said := s.Log.String()
		said, _, _ = strings.Cut(said[strings.LastIndex(said, nobody):], "\n")
		s.t.Logf("the master is killed again: the agent %s", said)
		s.asked.Store(asked) // it is counted right before the agent's last look at its clock
		s.answer()
		s.ready()
	}
	s.t.Fatal("the agent asked nobody three times")
}

// answer waits until all servers do.
func (s *crashScene) answer() {
	s.t.Helper()
	for i := 1; i <= 3; i++ {
		eventually(s.t, failoverIn, fmt.Sprintf("n%d answers", i), func() bool { return s.Redis(i).Ping(s.t.Context()) == nil })
	}
}

// masterLook is above the second in which an agent looks at a server that runs.
const masterLook = 1500 * time.Millisecond

// promotable: the master's agent and every sentinel have seen both replicas in step.
// One that looked while they still synced knows better only with its next look, for a
// sentinel 10 s later, and until then nobody is asked for a failover.
func (s *crashScene) promotable() bool {
	w, err := s.World(s.t.Context())
	if err != nil {
		return false
	}
	rec := w.Reports[fmt.Sprintf("n%d", s.old)]
	master := rec.Report.Instance(fleet.NewInstanceID(fleet.KindRedis, "main", redisPort))
	if master == nil || master.Redis == nil || len(master.Redis.Replicas) != 2 {
		return false
	}
	for i := 1; i <= 3; i++ {
		rec := w.Reports[fmt.Sprintf("n%d", i)]
		r := rec.Report.Instance(fleet.NewInstanceID(fleet.KindSentinel, "main", sentinelPort))
		if r == nil || r.Sentinel == nil || len(r.Sentinel.Replicas) != 2 ||
			slices.ContainsFunc(r.Sentinel.Replicas, func(x fleet.SeenInstance) bool { return !x.Promotable }) {
			return false
		}
	}
	return true
}

func (s *crashScene) count(_ context.Context, l effect.Label, at effect.Point) error {
	if l != agent.LabelAsk || at != effect.Before {
		return nil
	}
	if d := time.Duration(s.stall.Load()); d > 0 {
		time.Sleep(d)
		return nil // whether it asks then is told by what it says
	}
	s.asked.Add(1)
	return nil
}

func (s *crashScene) record() {
	s.t.Helper()
	o := record.Options{Group: "main", Servers: map[string]string{}, Password: s.Password()}
	for i := 1; i <= 3; i++ {
		o.Servers[fmt.Sprintf("n%d", i)] = addrOf(s.Fleet, i).String()
		o.Sentinels = append(o.Sentinels, fmt.Sprintf("%s:%d", s.Host(i), sentinelPort))
	}
	var err error
	if s.rec, err = record.Start(s.t.Context(), o); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.rec.Clean(context.Background()) })
	eventually(s.t, servingIn, "clients write", func() bool { n, _ := s.rec.Acknowledged(); return n > 5 })
}

// whole waits until the group is whole and no claim is held, and checks what the
// clients saw: never two masters, and no more lost than was on its way at the crash.
func (s *crashScene) whole() (master int) {
	s.t.Helper()
	s.answer() // an assessment may still rest on reports from before
	master = index(s.t, s.WaitServing(failoverIn).Master.Node)
	ctx, cancel := context.WithTimeout(s.t.Context(), failoverIn)
	defer cancel()
	if err := s.rec.Look(ctx); err != nil {
		s.t.Error(err)
	}
	eventually(s.t, failoverIn, "the claim is given up", func() bool {
		e, _, err := s.Client.Get(s.t.Context(), s.Keys.Claim("main"))
		return err == nil && e.Session == ""
	})
	s.judge()
	return master
}

func (s *crashScene) judge() {
	s.t.Helper()
	group := s.rec.Stop()
	found := clients.Check(clients.History{Length: time.Hour, Groups: []clients.Group{group}}).Rows[0].Groups["main"]
	s.t.Logf("%d acknowledged, %d lost, two masters for %v, asked %d times", found.Acknowledged, found.Lost, found.Dual, s.asked.Load())
	if found.Dual > 0 {
		s.t.Errorf("two servers took writes at once for %v", found.Dual)
	}
	if found.Lost > 1 { // there is one writer, which waits for each answer
		s.t.Errorf("%d acknowledged writes are lost", found.Lost)
	}
	if n := s.asked.Load(); n > 1 {
		s.t.Errorf("%d requests for one crash", n)
	}
}

// says waits until the daemons' log has a text.
func (s *crashScene) says(text string) {
	s.t.Helper()
	eventually(s.t, failoverIn, "the log says "+text, func() bool { return strings.Contains(s.Log.String(), text) })
}

// hold has another session take the claim on the group.
func (s *crashScene) hold() {
	s.t.Helper()
	session, err := s.Client.CreateSession(s.t.Context(), "another asker", time.Minute, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	if got, err := s.Client.Acquire(s.t.Context(), s.Keys.Claim("main"), nil, session); err != nil || !got {
		s.t.Fatalf("the claim was not taken: %v", err)
	}
	s.t.Cleanup(func() { _ = s.Client.DestroySession(context.Background(), session) })
}

// TestEvidence: the master's process is killed, and another one takes writes long
// before a sentinel misses the first. Where something is missing for that, nobody is
// asked (hazards S18 and S20).
func TestEvidence(t *testing.T) {
	t.Parallel()
	t.Run("a crash is met at once", func(t *testing.T) {
		t.Parallel()
		s := newCrash(t, nil, evident)
		began := time.Now()
		s.crash(func() bool { return strings.Contains(s.Log.String(), "asked the sentinel on") })
		tagged(t, s)
		t.Logf("Consul leads to another master %v after the kill", time.Since(began).Round(time.Millisecond))
		if now := s.whole(); now == s.old || s.asked.Load() != 1 {
			t.Errorf("the master was n%d and is n%d; asked %d times", s.old, now, s.asked.Load())
		}
	})
	t.Run("a second asker is refused", func(t *testing.T) {
		t.Parallel()
		s := newCrash(t, nil, evident)
		s.hold()
		s.crash(func() bool { return strings.Contains(s.Log.String(), "(no-claim)") })
		s.notAsked()
	})
	t.Run("Consul's answer is lost", func(t *testing.T) {
		t.Parallel()
		s := newCrash(t, nil, evident)
		s.faults = devconsul.Faults{Path: "/v1/txn", AfterEffect: true, Drop: true}
		s.crash(func() bool { return strings.Contains(s.Log.String(), "(no-claim)") })
		s.notAsked()
		s.whole()
	})
}

// notAsked: nobody was asked. What the log said before comes after all that could ask.
func (s *crashScene) notAsked() {
	s.t.Helper()
	if n := s.asked.Load(); n > 0 {
		s.t.Errorf("a sentinel was asked %d times", n)
	}
}

// tagged waits until Consul leads to a master that is not the old one.
func tagged(t *testing.T, s *crashScene) {
	t.Helper()
	eventually(t, failoverIn, "Consul leads to another master", func() bool {
		entries, err := s.Client.Services(t.Context(), "test-main")
		return err == nil && slices.ContainsFunc(entries, func(e fleet.ServiceEntry) bool {
			return slices.Contains(e.Tags, "master") && e.Addr != addrOf(s.Fleet, s.old)
		})
	})
}

// crashLabels are the effects of a failover on evidence, in their order.
func crashLabels() []effect.Label {
	return []effect.Label{agent.LabelGiveUp, publish.LabelClaim, agent.LabelAsking, agent.LabelAsk, publish.LabelRelease, agent.LabelTakeUp}
}

// cutPlace is where an agent is cut.
type cutPlace struct {
	label effect.Label
	at    effect.Point
}

// TestEvidenceCuts ends the agent beside the crashed master, as by kill -9, at
// effects of a failover on evidence, and starts it again: there are never two
// masters, and the group becomes whole by itself (promise resumable). The places are
// those where most is half-done: the marker without a claim, the note without a
// request, the request without a word of it; TestEvidenceCutsLong has all.
func TestEvidenceCuts(t *testing.T) {
	t.Parallel()
	cutCrashes(t, cutPlace{agent.LabelGiveUp, effect.After}, cutPlace{agent.LabelAsking, effect.After}, cutPlace{agent.LabelAsk, effect.After})
}

func cutCrashes(t *testing.T, places ...cutPlace) {
	for _, p := range places {
		t.Run(fmt.Sprintf("%s %s", p.at, p.label), func(t *testing.T) {
			t.Parallel()
			c := newCut(p.label, p.at)
			s := newCrash(t, c, evident)
			if p.label == agent.LabelTakeUp {
				s.hold()
			}
			s.crash(func() bool { return len(c.victim) > 0 })
			c.wait(t, s.Fleet, cutServingIn).again()
			if p.label == agent.LabelTakeUp { // the other asker keeps its claim
				s.WaitServing(failoverIn)
				s.judge()
				return
			}
			s.whole()
		})
	}
}
