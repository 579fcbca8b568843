package fleettest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/publish"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/coordinator/recovery"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/redistest"
)

// scene is a bring-up in which certain effects occur.
type scene struct {
	name string
	// labels are cut in this scene, each at both points.
	labels []effect.Label
	// coordinators run side by side; where there are two, the one that is cut
	// is not started again.
	coordinators int
	// prepare makes what is there before the bring-up; spec adds to the spec.
	prepare func(t *testing.T, f *Fleet)
	spec    func(*fleet.Spec)
	// then makes the effect occur once the group serves, and says which
	// instances are started once more by that.
	then func(t *testing.T, f *Fleet) map[string]int
	// rebuild, where then has emptied Consul, has the records made anew once the
	// daemon that was cut is back.
	rebuild func(t *testing.T, f *Fleet)
	// check looks at what is special to the scene, at the end.
	check func(t *testing.T, f *Fleet)
}

// scenes are all bring-ups that are cut. The first one has every label that no
// other one names.
func scenes(t *testing.T) []scene {
	t.Helper()
	special := []scene{
		overData(t), lostState(), leftService(), crashed(), manyEvents(), spareNode(), largePlan(), lostRecords(), lateOffers(),
	}
	var taken []effect.Label
	for _, s := range special {
		taken = append(taken, s.labels...)
	}
	fresh := scene{name: "fresh", coordinators: 1}
	for _, l := range allLabels() {
		if !slices.Contains(taken, l) || slices.Contains(duringData(), l) {
			fresh.labels = append(fresh.labels, l)
		}
	}
	pair := scene{name: "two coordinators", coordinators: 2, labels: []effect.Label{
		coordinator.LabelLease, coordinator.LabelDecision, coordinator.LabelCommit, coordinator.LabelEvents,
	}}
	return append([]scene{fresh, pair}, special...)
}

// allLabels are those of a bring-up; a change of a group's members has its own
// (TestReplaceUnderCuts), and so have a crash of the master (TestEvidenceCuts) and a
// replica that no sentinel knows (TestStrandedUnderCuts).
func allLabels() []effect.Label {
	others := slices.Concat(replaceLabels(), crashLabels(), strandedLabels())
	return slices.DeleteFunc(append(agent.Labels(), coordinator.Labels()...), func(l effect.Label) bool { return slices.Contains(others, l) })
}

// duringData are labels of a fresh bring-up that are worth a cut over existing
// data too: those around a start from a snapshot.
func duringData() []effect.Label {
	return []effect.Label{apply.LabelRedis, apply.LabelRemember, apply.LabelStart}
}

const keptKey, keptValue = "kept", "from before redfleet"

// overData: one node has a snapshot from a Redis of the time before redfleet.
func overData(t *testing.T) scene {
	dump := snapshot(t)
	id := fleet.NewInstanceID(fleet.KindRedis, "main", 6379)
	return scene{
		name: "over data", coordinators: 1, labels: append(duringData(), apply.LabelPriority, apply.LabelAOF),
		prepare: func(t *testing.T, f *Fleet) {
			dir := apply.Dir(f.AgentConfig(2).DataDir, id)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), dump, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		check: checkData,
	}
}

// checkData: the node with data became master, each node has the data, AOF is
// on everywhere and each replica can be promoted.
func checkData(t *testing.T, f *Fleet) {
	if a := f.WaitServing(servingIn); a.Master.Node != "n2" {
		t.Errorf("the master is %s, not n2, which had the data", a.Master.Node)
	}
	for i := 1; i <= cutNodes; i++ {
		server := f.Redis(i)
		eventually(t, 10*time.Second, fmt.Sprintf("n%d has the data, AOF and priority 100", i), func() bool {
			got, _, err := server.Get(t.Context(), keptKey)
			conf, errConf := server.ConfigGet(t.Context(), "appendonly", "replica-priority")
			return errors.Join(err, errConf) == nil && got == keptValue &&
				conf["appendonly"] == "yes" && conf["replica-priority"] == "100"
		})
	}
}

// snapshot makes the RDB file of a Redis with one key.
func snapshot(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	port := redistest.FreePort(t, "127.0.0.1")
	conf := redistest.Write(t, dir, "redis.conf", fmt.Appendf(nil, "bind 127.0.0.1\nport %d\ndir %s\n", port, dir))
	p := redistest.Start(t, conf, fmt.Sprintf("127.0.0.1:%d", port), "")
	p.Do("SET", keptKey, keptValue)
	p.Do("SAVE")
	b, err := os.ReadFile(filepath.Join(dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lostState: an agent reported, was killed and lost its state folder.
func lostState() scene {
	return scene{
		name: "lost state folder", coordinators: 1, labels: []effect.Label{publish.LabelTakeOver},
		prepare: func(t *testing.T, f *Fleet) {
			m := f.mortalAgent(1, nil)
			eventually(t, servingIn, "the first run of n1 reports", func() bool {
				e, found, err := f.Client.Get(t.Context(), f.Keys.Report("n1"))
				return err == nil && found && e.Session != ""
			})
			m.die()
			_ = m.daemon.Wait(t, 10*time.Second)
			if err := os.RemoveAll(f.AgentConfig(1).StateDir); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// leftService: Consul still lists an instance that an earlier run of the agent
// had and no goal asks for.
func leftService() scene {
	return scene{
		name: "left service", coordinators: 1, labels: []effect.Label{publish.LabelDeregister},
		prepare: func(t *testing.T, f *Fleet) {
			err := f.Client.Register(t.Context(), consul.Service{
				ID: "left", Name: "test-old", Addr: fleet.Addr{Host: f.Host(2), Port: 7000},
				Meta: map[string]string{"fleet": f.Name, "node": "n2"},
			})
			if err != nil {
				t.Fatal(err)
			}
		},
		check: func(t *testing.T, f *Fleet) {
			eventually(t, servingIn, "the left service is gone", func() bool { // the report is written before the services
				known, err := f.Client.AgentServices(t.Context())
				return err == nil && known["left"].ID == ""
			})
		},
	}
}

// crashed: a replica's process ends and is started again, which is an event.
func crashed() scene {
	return scene{
		name: "crashed replica", coordinators: 1, labels: []effect.Label{publish.LabelEvents},
		then: func(t *testing.T, f *Fleet) map[string]int {
			other := index(t, f.WaitServing(servingIn).Master.Node)%cutNodes + 1
			kill(t, f, other, fleet.KindRedis)
			return map[string]int{fmt.Sprintf("n%d/%s", other, fleet.NewInstanceID(fleet.KindRedis, "main", 6379)): 1}
		},
	}
}

// manyEvents: there is more history than is kept.
func manyEvents() scene {
	const before, kept = 360, 300
	return scene{
		name: "long history", coordinators: 1, labels: []effect.Label{coordinator.LabelPrune},
		prepare: func(t *testing.T, f *Fleet) {
			for ops := range slices.Chunk(eventOps(t, f, before), 60) {
				if _, err := f.Client.Txn(t.Context(), ops...); err != nil {
					t.Fatal(err)
				}
			}
		},
		check: func(t *testing.T, f *Fleet) {
			eventually(t, servingIn, fmt.Sprintf("the history has %d events at most", kept), func() bool {
				keys, err := f.Client.Keys(t.Context(), f.Keys.Events())
				return err == nil && len(keys) <= kept
			})
		},
	}
}

func eventOps(t *testing.T, f *Fleet, n int) []consul.Op {
	t.Helper()
	value, err := records.Encode(fleet.Event{At: time.Now(), Who: "c9", Group: "main", What: "long ago"})
	if err != nil {
		t.Fatal(err)
	}
	var ops []consul.Op
	for range n {
		ops = append(ops, consul.Create(f.Keys.Event(ulid.Make().String()), value))
	}
	return ops
}

// spareNode: a node reports that no group asks for.
func spareNode() scene {
	return scene{
		name: "spare node", coordinators: 1, labels: []effect.Label{coordinator.LabelKeys},
		prepare: func(t *testing.T, f *Fleet) { reportNodes(t, f, []string{"spare"}) },
		check: func(t *testing.T, f *Fleet) {
			eventually(t, servingIn, "the spare node has a key to watch", func() bool {
				e, found, err := f.Client.Get(t.Context(), f.Keys.Goal("spare"))
				return err == nil && found && len(e.Value) == 0
			})
		},
	}
}

// lostRecords: Consul loses all that it held, an agent is cut while it offers what
// it keeps, and the operator has the records rebuilt.
func lostRecords() scene {
	return scene{
		name: "lost records", coordinators: 1, labels: []effect.Label{publish.LabelRecovery},
		then: loseRecords, rebuild: rebuild, check: goneAgain,
	}
}

// lateOffers: what agents offer comes when the records are there again, one after
// the other, so that a removal whose answer was lost is not the only one.
func lateOffers() scene {
	return scene{
		name: "late offers", coordinators: 1, labels: []effect.Label{coordinator.LabelOffered},
		then: func(t *testing.T, f *Fleet) map[string]int {
			for i := range 5 {
				put(t, f, f.Keys.Recovery(fmt.Sprintf("late%d", i)), "{}")
				time.Sleep(400 * time.Millisecond) // two of the rests between its looks
			}
			return nil
		},
		check: goneAgain,
	}
}

// loseRecords removes every key of the fleet.
func loseRecords(t *testing.T, f *Fleet) map[string]int {
	settled(t, f)
	entries, err := f.Client.List(t.Context(), f.Keys.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	var ops []consul.Op
	for _, e := range entries {
		ops = append(ops, consul.Delete(e.Key))
	}
	if _, err := f.Client.Txn(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	return nil
}

// rebuild is the operator's redfleet recover.
func rebuild(t *testing.T, f *Fleet) {
	o := recoverer(f, nil)
	if err := recovery.Write(t.Context(), o, offered(t, f, o)); err != nil {
		t.Fatal(err)
	}
}

// largePlan: a second group has more nodes than one transaction has goals. They
// only report; the group with the agents must come up beside it.
func largePlan() scene {
	var names []string
	for i := range 65 {
		names = append(names, fmt.Sprintf("far%02d", i))
	}
	return scene{
		name: "large plan", coordinators: 1, labels: []effect.Label{coordinator.LabelGoals},
		prepare: func(t *testing.T, f *Fleet) { reportNodes(t, f, names) },
		spec: func(s *fleet.Spec) {
			s.Groups = append(s.Groups, fleet.GroupSpec{Name: "wide", Topology: fleet.Replication, Nodes: names})
		},
		check: func(t *testing.T, f *Fleet) { checkGoals(t, f, names) },
	}
}

// checkGoals: each node has a goal, all of one decision and all committed.
func checkGoals(t *testing.T, f *Fleet, names []string) {
	w, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, n := range names {
		g, ok := w.Goals[n]
		if !ok || len(g.Instances) != 1 || g.Epoch > w.Control.Committed || g.Instances[0].GroupID != w.Groups["wide"].ID {
			bad = append(bad, n)
		}
	}
	if len(bad) > 0 {
		t.Errorf("no committed goal of the group's one decision: %s", strings.Join(bad, " "))
	}
}

// reportNodes writes the first report of nodes that have no agent here.
func reportNodes(t *testing.T, f *Fleet, names []string) {
	t.Helper()
	session, err := f.Client.CreateSession(t.Context(), "nodes that only report", time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ops []consul.Op
	for i, n := range names {
		b, err := records.Encode(fleet.Report{
			Format: fleet.Format, Node: n, Agent: n, Boot: n, Address: fmt.Sprintf("192.0.2.%d", i+1), At: time.Now(),
			Engines: []fleet.EngineReport{{Name: fleet.EngineRedis, Version: "7.0.15"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, consul.Lock(f.Keys.Report(n), b, session))
	}
	if _, err := f.Client.Txn(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
}
