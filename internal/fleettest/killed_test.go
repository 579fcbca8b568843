package fleettest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/publish"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
)

const (
	// killRounds bring-ups are made with processes that are killed.
	killRounds = 6
	// killedAtOnce of them run side by side: each has four Go processes.
	killedAtOnce = 2
	// seedVariable repeats a run: its value is the seed that the test printed.
	seedVariable = "REDFLEET_TEST_SEED"
)

// everyAgents are the effects that a bring-up has on every node, coordinators'
// the ones that it has in the coordinator.
func everyAgents() []effect.Label {
	return []effect.Label{
		agent.LabelNode, agent.LabelGoal, agent.LabelSecret, agent.LabelMemory,
		apply.LabelFolder, apply.LabelIdentity, apply.LabelRedis, apply.LabelSentinel, apply.LabelRemember,
		apply.LabelStart, apply.LabelRewrite, publish.LabelSession, publish.LabelReport, publish.LabelRegister,
	}
}

func coordinators() []effect.Label {
	return []effect.Label{
		coordinator.LabelLease, coordinator.LabelDecision, coordinator.LabelCommit, coordinator.LabelEvents,
	}
}

// TestKilledProcesses is the sample of TestCuts on real processes: each agent
// and the coordinator is a process of its own, which gets SIGKILL at a random
// effect while the group forms, and is started again.
func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("%s=%d", seedVariable, seed)
	var workers errgroup.Group
	workers.SetLimit(killedAtOnce)
	for round := range killRounds {
		workers.Go(func() error {
			t.Run(fmt.Sprintf("round %d", round+1), func(t *testing.T) {
				runKilled(t, rand.New(rand.NewPCG(seed, uint64(round)))) //nolint:gosec // which effect, not a secret
			})
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		t.Fatal(err)
	}
}

func runKilled(t *testing.T, random *rand.Rand) {
	_, addr := StandIn(t)
	f := New(t, &nets, addr)
	f.LeaseTTL = cutTTL
	h := watchHistory(t, f)
	f.Apply(fleet.SpecRecord{Spec: f.Spec(cutNodes, func(g *fleet.GroupSpec) {
		g.Sentinel.DownAfter = fleet.Duration(cutDownAfter)
	})})
	pick := func(from []effect.Label) (effect.Label, effect.Point) {
		return from[random.IntN(len(from))], []effect.Point{effect.Before, effect.After}[random.IntN(2)]
	}
	coordinatorConfig := f.coordinatorConfig(1)
	orders := []order{{Coordinator: &coordinatorConfig}}
	for i := range cutNodes {
		config := f.AgentConfig(i + 1)
		orders = append(orders, order{Agent: &config})
	}
	var all []*killed
	for _, o := range orders {
		o.Label, o.At = pick(everyAgents())
		if o.Coordinator != nil {
			o.Label, o.At = pick(coordinators())
		}
		t.Logf("%s: SIGKILL %s %q", o.who(), o.At, o.Label)
		all = append(all, startKilled(t, f, o))
	}
	for _, k := range all {
		k.wait(t, cutServingIn)
	}
	checkOutcome(t, f, h, identities(t, f), nil)
}
