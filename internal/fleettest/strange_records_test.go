package fleettest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// put writes a key as a hand would, past all rules.
func put(t *testing.T, f *Fleet, key, value string) {
	t.Helper()
	if _, err := f.Client.Txn(t.Context(), consul.Set(key, []byte(value))); err != nil {
		t.Fatal(err)
	}
}

// undisturbed remembers the processes and a client's connection to the master;
// the function that it gives fails the test when any of them is another one.
func undisturbed(t *testing.T, f *Fleet) func() {
	t.Helper()
	master := index(t, f.WaitServing(servingIn).Master.Node)
	client := f.Redis(master)
	if err := client.Set(t.Context(), "mine", "yes"); err != nil {
		t.Fatal(err)
	}
	before, id := pids(t, f, 3), clientID(t, client)
	return func() {
		t.Helper()
		if d := cmp.Diff(before, pids(t, f, 3)); d != "" {
			t.Errorf("processes changed (-before +after):\n%s", d)
		}
		if got, _, err := client.Get(t.Context(), "mine"); err != nil || got != "yes" || clientID(t, client) != id {
			t.Errorf("the client was disturbed: %q, %v", got, err)
		}
	}
}

func stopCoordinator(f *Fleet) {
	f.mu.Lock()
	d := f.running["coordinator-1"]
	f.mu.Unlock()
	_ = d.Stop()
}

// newer is a goal as a redfleet of the future may write it.
func newer(t *testing.T, f *Fleet, node string) string {
	t.Helper()
	e, _, err := f.Client.Get(t.Context(), f.Keys.Goal(node))
	if err != nil {
		t.Fatal(err)
	}
	goal := map[string]any{}
	if err := json.Unmarshal(e.Value, &goal); err != nil {
		t.Fatal(err)
	}
	goal["format"], goal["instances"] = fleet.Format+1, "in another shape"
	b, err := json.Marshal(goal)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestStrangeRecords: a record that cannot be read is refused and reported, what
// was known before stays in force, and no Redis notices.
func TestStrangeRecords(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, calm)
	same := undisturbed(t, f)
	t.Run("a corrupted report", func(t *testing.T) {
		var a fleet.Assessment
		eventually(t, toldIn, "told that n2's report cannot be read", func() bool {
			put(t, f, f.Keys.Report("n2"), "{half a rep") // anew: its agent writes over it when it has news, as of the key above
			var err error
			a, err = f.Assessment(t.Context())
			return err == nil && holds(failing(a), "n2: its report cannot be read")
		})
		if a.Master == nil {
			t.Errorf("no master is shown\n%s", failing(a))
		}
		if holds(failing(a), "n1: its report") || holds(failing(a), "n3: its report") {
			t.Errorf("the others' reports are not read either:\n%s", failing(a))
		}
		cli(t, f, 2, redisPort, "CONFIG SET replica-priority 90") // the next change is reported over it
		f.WaitFor(toldIn, "reported again", func(a fleet.Assessment) bool { return !holds(failing(a), "n2: its report") })
	})
	t.Run("a goal that cannot be read, without a coordinator", func(t *testing.T) {
		stopCoordinator(f)
		for name, c := range map[string]struct{ value, says string }{
			"corrupted":           {"{half a goal", "cannot be read"},
			"from a newer format": {newer(t, f, "n2"), "upgrade redfleet here"},
		} {
			put(t, f, f.Keys.Goal("n2"), c.value)
			f.WaitFor(toldIn, name+" goal is reported", func(a fleet.Assessment) bool {
				return holds(failing(a), "n2: the goal in Consul is refused, the last one goes on", c.says)
			})
			same()
		}
		if n := strings.Count(f.Log.String(), "the goal in Consul is refused"); n != 2 {
			t.Errorf("the refusal was logged %d times, want once for each goal", n)
		}
	})
	t.Run("the coordinator writes the goal anew", func(t *testing.T) {
		f.StartCoordinator(1, nil)
		f.WaitServing(servingIn)
		same()
	})
	t.Run("a control record that cannot be read", func(t *testing.T) {
		e, _, err := f.Client.Get(t.Context(), f.Keys.Control())
		if err != nil {
			t.Fatal(err)
		}
		put(t, f, f.Keys.Control(), "nonsense")
		eventually(t, toldIn, "the coordinator says why it writes nothing", func() bool {
			return holds(f.Log.String(), "nothing is written: "+f.Keys.Control()+": the record cannot be read")
		})
		f.WaitFor(toldIn, "refused by the agents", func(a fleet.Assessment) bool {
			return holds(failing(a), "n1: the control record in Consul is refused", "n2: the control", "n3: the control")
		})
		same()
		put(t, f, f.Keys.Control(), string(e.Value))
		f.WaitServing(servingIn)
	})
	t.Run("a group record that cannot be read", func(t *testing.T) {
		e, _, err := f.Client.Get(t.Context(), f.Keys.Group("main"))
		if err != nil {
			t.Fatal(err)
		}
		put(t, f, f.Keys.Group("main"), "nonsense")
		a := f.WaitFor(toldIn, "told by status", func(a fleet.Assessment) bool {
			return holds(a.Reason, "the group's record "+f.Keys.Group("main")+" cannot be read", "nothing is changed")
		})
		if a.State != fleet.GroupDegraded || a.Master == nil {
			t.Errorf("%s with master %v: the group serves on", a.State, a.Master)
		}
		eventually(t, toldIn, "told by the coordinator", func() bool {
			return holds(f.Log.String(), "nothing is written: "+f.Keys.Group("main"))
		})
		same()
		put(t, f, f.Keys.Group("main"), string(e.Value))
		f.WaitServing(servingIn)
	})
}

// TestStrangeDisk: a file that cannot be read, or that belongs to another group,
// is named, left as it is, and stops nothing that runs.
func TestStrangeDisk(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, calm)
	same := undisturbed(t, f)
	for _, name := range []string{"node.json", "session.json"} {
		stopAgent(t, f, 2)
		restore := damage(t, filepath.Join(f.AgentConfig(2).StateDir, name))
		err := f.StartAgent(2, nil).Wait(t, toldIn)
		if path := filepath.Join(f.AgentConfig(2).StateDir, name); err == nil || !holds(err.Error(), path, "damaged", "move it away") {
			t.Errorf("with a damaged %s the agent says %v", name, err)
		}
		restore()
		f.StartAgent(2, nil)
		f.WaitServing(servingIn)
		same()
	}
	for _, name := range []string{"secret-main.json", "instances/redis-main-6379.json"} {
		stopAgent(t, f, 2)
		path := filepath.Join(f.AgentConfig(2).StateDir, name)
		restore := damage(t, path)
		f.StartAgent(2, nil)
		f.WaitFor(toldIn, "told that "+name+" is damaged", func(a fleet.Assessment) bool {
			return holds(failing(a), "on n2", path, "damaged")
		})
		stopAgent(t, f, 2)
		restore()
		f.StartAgent(2, nil)
		f.WaitServing(servingIn)
		same()
	}

	// A replica's folder comes from another group: it is not started again.
	stopAgent(t, f, 2)
	identity := filepath.Join(folder(f, 2, fleet.KindRedis), "identity")
	if err := os.WriteFile(identity, []byte("another-group"), 0o600); err != nil {
		t.Fatal(err)
	}
	kill(t, f, 2, fleet.KindRedis)
	f.StartAgent(2, nil)
	f.WaitFor(toldIn, "told that the folder is another group's", func(a fleet.Assessment) bool {
		return holds(failing(a), "n2: redis-main-6379 carries the identity of group another-group",
			"the folder of redis-main-6379 belongs to group another-group")
	})
	if _, runs := pids(t, f, 3)["n2/redis-main-6379"]; runs {
		t.Error("the server was started on another group's data")
	}
	if b, err := os.ReadFile(identity); err != nil || string(b) != "another-group" {
		t.Errorf("the identity was written over: %q, %v", b, err)
	}
}

// damage cuts a file; the function that it gives checks that nobody touched the
// damaged file, and puts the old content back.
func damage(t *testing.T, path string) (restore func()) {
	t.Helper()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const bad = "{\"agent\": \"half a"
	if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if now, err := os.ReadFile(path); err != nil || string(now) != bad {
			t.Errorf("%s was written over: %q, %v", path, now, err)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEmptiedConsul: Consul comes back with nothing in it. Nothing changes on the
// nodes, status says what it sees, and no new group is formed over the old one.
func TestEmptiedConsul(t *testing.T) {
	t.Parallel()
	s, addr := StandIn(t)
	f := bringOn(t, addr, 3, calm)
	same := undisturbed(t, f)
	s.LoseAll()
	a := f.WaitFor(toldIn, "all agents report again", func(a fleet.Assessment) bool {
		return holds(a.Reason, "3 agents report it") && a.Master != nil
	})
	if a.State == fleet.GroupServing || !holds(a.Reason, "Consul holds no spec for group main", "nothing is changed on the nodes") {
		t.Errorf("status says %s: %s", a.State, a.Reason)
	}
	same()
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, calm)})
	a = f.WaitFor(toldIn, "told that Consul was emptied", func(a fleet.Assessment) bool {
		return holds(a.Reason, "Consul was emptied or rebuilt", "nothing is changed on the nodes")
	})
	if a.State != fleet.GroupDegraded || a.Master == nil {
		t.Errorf("%s with master %v: the group serves on", a.State, a.Master)
	}
	eventually(t, toldIn, "the coordinator says why it writes nothing", func() bool {
		return holds(f.Log.String(), "nothing is written: node n1 belongs to fleet", "Consul is empty or was rebuilt")
	})
	time.Sleep(time.Second) // time for a wrong election
	for _, key := range []string{f.Keys.Control(), f.Keys.Group("main"), f.Keys.Secret("main"), f.Keys.Goal("n1")} {
		if e, found, err := f.Client.Get(t.Context(), key); err != nil || found && len(e.Value) > 0 {
			t.Errorf("%s was written (found %v, %v): a new group over one that serves", key, found, err)
		}
	}
	same()
}

// TestRolledBackConsul: Consul is restored from an old snapshot. The coordinator
// goes on above the highest epoch that any node saw; nothing is restarted.
func TestRolledBackConsul(t *testing.T) {
	t.Parallel()
	s, addr := StandIn(t)
	rollBack(t, addr, func() func() {
		old := s.Snapshot()
		return func() { s.Restore(old) }
	})
}

// TestRolledBackRealConsul is the same with a snapshot of a real Consul, restored
// while it runs. Its catalog has no service, which Consul's own agent would mend in one
// to two minutes: the fleet's agents do at once.
func TestRolledBackRealConsul(t *testing.T) {
	t.Parallel()
	addr := consultest.StartReal(t)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	rollBack(t, addr, func() func() {
		var services []struct{ Node, ServiceID string }
		if err := json.Unmarshal(askConsul(t, http.MethodGet, addr, "/v1/catalog/service/test-main", nil), &services); err != nil || len(services) != 6 {
			t.Fatalf("three servers and three sentinels are %d services: %v", len(services), err)
		}
		for _, s := range services {
			body, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			askConsul(t, http.MethodPut, addr, "/v1/catalog/deregister", bytes.NewReader(body))
		}
		old := askConsul(t, http.MethodGet, addr, "/v1/snapshot", nil)
		return func() { askConsul(t, http.MethodPut, addr, "/v1/snapshot", bytes.NewReader(old)) }
	})
}

// askConsul is a request that a real Consul has to carry out.
func askConsul(t *testing.T, method, addr, path string, body io.Reader) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v: %s", method, path, resp.Status, err, answer)
	}
	return answer
}

// rollBack brings a group up, keeps a snapshot, has a newer plan made, and restores.
func rollBack(t *testing.T, addr string, snapshot func() (restore func())) {
	t.Helper()
	f := bringOn(t, addr, 3, calm)
	same := undisturbed(t, f)
	var at span
	eventually(t, toldIn, "all nodes follow the last plan", func() bool {
		at = epochs(t, f)
		return at.lowest == at.highest && at.committed == at.highest
	})
	restore := snapshot()
	lost := []consul.Op{consul.Delete(f.Keys.Goal("n1")), consul.Delete(f.Keys.Goal("n2")), consul.Delete(f.Keys.Goal("n3"))}
	if _, err := f.Client.Txn(t.Context(), lost...); err != nil {
		t.Fatal(err)
	}
	eventually(t, toldIn, "all nodes follow a newer plan", func() bool { return epochs(t, f).lowest > at.highest })
	at = epochs(t, f)
	restore()
	eventually(t, toldIn, "all nodes follow a plan above all that went before", func() bool {
		now := epochs(t, f)
		return now.lowest > at.highest && now.committed >= now.highest
	})
	master := f.WaitServing(servingIn).Master
	masterTagged(t, f, index(t, master.Node))
	same()
	if !holds(f.Log.String(), "Consul was restored from an older snapshot") {
		t.Error("nobody says that Consul was rolled back")
	}
}

// span is the lowest and the highest epoch that the nodes follow, and what
// Consul has committed.
type span struct{ lowest, highest, committed uint64 }

func epochs(t *testing.T, f *Fleet) span {
	t.Helper()
	w, err := f.World(t.Context())
	if err != nil || w.Control == nil || len(w.Reports) == 0 {
		return span{}
	}
	out := span{lowest: ^uint64(0), committed: w.Control.Committed}
	for _, r := range w.Reports {
		out.lowest = min(out.lowest, r.Report.Epoch)
		out.highest = max(out.highest, r.Report.Epoch)
	}
	return out
}

// TestTwoFleetsOnOneConsul: both serve, and neither sees anything of the other.
func TestTwoFleetsOnOneConsul(t *testing.T) {
	t.Parallel()
	_, addr := StandIn(t)
	fleets := map[string]*Fleet{}
	for _, name := range []string{"test", "second"} {
		f := New(t, &nets, addr)
		f.Name, f.Keys = name, fleet.KeysOf(name)
		fleets[name] = f
		f.Apply(fleet.SpecRecord{Spec: f.Spec(3, nil)})
		f.StartCoordinator(1, nil)
		for i := 1; i <= 3; i++ {
			f.StartAgent(i, nil)
		}
	}
	for name, f := range fleets {
		f.WaitServing(servingIn)
		w, err := f.World(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := addresses(w), []string{f.Host(1), f.Host(2), f.Host(3)}; !cmp.Equal(got, want) {
			t.Errorf("fleet %s holds reports from %v, want %v", name, got, want)
		}
		checkReplication(t, f, 3)
	}
	if fleets["test"].Password() == fleets["second"].Password() {
		t.Error("both fleets have the same password")
	}
	if a, b := fleetID(t, fleets["test"]), fleetID(t, fleets["second"]); a == b {
		t.Errorf("both fleets have the identity %s", a)
	}
}

func addresses(w fleet.World) []string {
	var out []string
	for i := 1; i <= len(w.Reports); i++ {
		out = append(out, w.Reports[fmt.Sprintf("n%d", i)].Report.Address)
	}
	return out
}

func fleetID(t *testing.T, f *Fleet) string {
	t.Helper()
	e, _, err := f.Client.Get(context.WithoutCancel(t.Context()), f.Keys.Control())
	if err != nil {
		t.Fatal(err)
	}
	c, err := records.Decode[fleet.Control](e.Key, e.Value)
	if err != nil {
		t.Fatal(err)
	}
	return c.FleetID
}
