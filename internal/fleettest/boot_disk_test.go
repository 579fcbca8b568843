package fleettest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/boot"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

// TestBootFromAStrangeDisk: what the fence cannot rely on it refuses, says what
// to do, and leaves every file as it is.
func TestBootFromAStrangeDisk(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 5*time.Second)
	replica := others(master)[0] // which would start without anybody's answer
	state := f.AgentConfig(replica).StateDir
	goal := filepath.Join(state, "goal.json")
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, c *specfile.AgentConfig) string // the file to write, with its new text
		text  string
		id    fleet.InstanceID
		want  []string
	}{
		"no state folder": {func(_ *testing.T, c *specfile.AgentConfig) string { c.StateDir += "-none"; return "" }, "", redisID,
			[]string{"no goal", "systemctl start redfleet-agent"}},
		"a state folder that is empty": {func(t *testing.T, c *specfile.AgentConfig) string { c.StateDir = t.TempDir(); return "" }, "", redisID,
			[]string{"no goal", "systemctl start redfleet-agent"}},
		"a damaged goal": {func(*testing.T, *specfile.AgentConfig) string { return goal }, "{", redisID,
			[]string{"goal.json is damaged", "start redfleet-agent"}},
		"another machine's goal": {func(_ *testing.T, c *specfile.AgentConfig) string { c.Node = "n9"; return "" }, "", redisID,
			[]string{"comes from another machine"}},
		"another fleet's node": {func(*testing.T, *specfile.AgentConfig) string { return filepath.Join(state, "node.json") }, `{"fleet_id": "other"}`, redisID,
			[]string{"put together from two"}},
		"an instance that no goal has": {func(*testing.T, *specfile.AgentConfig) string { return "" }, "", "redis-old-6380",
			[]string{"no redis-old-6380 in goal", "redis-main-6379", "systemctl disable"}},
		"a sentinel": {func(*testing.T, *specfile.AgentConfig) string { return "" }, "", sentinelID, []string{"waits for nobody"}},
		"no sealed password": {func(*testing.T, *specfile.AgentConfig) string { return filepath.Join(state, "secret-main.json") }, "{}", redisID,
			[]string{"the password of group main", "start redfleet-agent"}},
		"a key that is gone": {func(_ *testing.T, c *specfile.AgentConfig) string { c.KeyFile += "-none"; return "" }, "", redisID, []string{"key"}},
		"a damaged memory": {func(*testing.T, *specfile.AgentConfig) string { return memoryFile(f, replica) }, "{", redisID,
			[]string{"not-ready", "is damaged"}},
		"another group's folder": {func(*testing.T, *specfile.AgentConfig) string {
			return filepath.Join(folder(f, replica, fleet.KindRedis), "identity")
		}, "ffff", redisID,
			[]string{"belongs to group ffff"}},
		"a damaged redis.conf": {func(*testing.T, *specfile.AgentConfig) string { return confFile(f, replica) }, "port 1\n\x00\x00", redisID,
			[]string{"redis.conf is damaged", "move it away"}},
		"an engine that is gone": {func(_ *testing.T, c *specfile.AgentConfig) string { c.RedisServer = "/none"; return "" }, "", redisID,
			[]string{"the engine is not installed"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := f.AgentConfig(replica)
			conf := confFile(f, replica)
			if path := tc.spoil(t, &c); path != "" {
				before := read(t, path)
				t.Cleanup(func() { _ = os.WriteFile(path, []byte(before), 0o600) })
				if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			before := read(t, conf)
			start, err := boot.Fence(t.Context(), boot.Options{Config: c, Instance: tc.id})
			if err == nil {
				t.Fatalf("the fence let it start: %v", start)
			}
			if !holds(err.Error(), tc.want...) {
				t.Errorf("the refusal is %q, want %q in it", err, tc.want)
			}
			if read(t, conf) != before {
				t.Error("the refused start changed redis.conf")
			}
		})
	}
	start, err := fenceOn(t, f, replica, 0) // the table itself broke nothing
	startsAs(t, start, err, addrOf(f, master), "as-it-was")
}

// TestBootBesideARunningServer: a fence that somebody runs by hand touches nothing.
func TestBootBesideARunningServer(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, calm) // a failover would change the file too
	before := read(t, confFile(f, 1))
	_, err := fenceOn(t, f, 1, 0)
	heldBy(t, err, "port-in-use")
	if read(t, confFile(f, 1)) != before {
		t.Error("the file of a running server was changed")
	}
}

// TestBootOfAUnitThatNeverRan: a unit that somebody starts before the agent ever
// did goes by the rule of a first start, and does not pass for one that ran.
func TestBootOfAUnitThatNeverRan(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 30*time.Second) // sentinels are young for long
	for _, path := range []string{memoryFile(f, master), confFile(f, master)} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	_, err := fenceOn(t, f, master, 0)
	heldBy(t, err, "no-majority")
	if !strings.Contains(err.Error(), "it is new here") {
		t.Errorf("it was not taken for a new one: %v", err)
	}
	startUnit(t, f, 1, sentinelID)
	startUnit(t, f, 2, sentinelID)
	start, err := fenceOn(t, f, master, servingIn) // its data is there still
	startsAs(t, start, err, fleet.Addr{}, "young-sentinels")
	if !strings.Contains(read(t, memoryFile(f, master)), `"started": true`) {
		t.Error("the start was not remembered")
	}
}

// TestBootOverARoleThatIsOutdated: whatever role stands in the file, written by
// whoever was cut before the start, the fence decides anew.
func TestBootOverARoleThatIsOutdated(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 5*time.Second)
	replica := others(master)[0]
	var lines []string
	for line := range strings.Lines(read(t, confFile(f, replica))) {
		if !strings.HasPrefix(line, "replicaof ") {
			lines = append(lines, line)
		}
	}
	if err := os.WriteFile(confFile(f, replica), []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := fenceOn(t, f, replica, 0)
	heldBy(t, err, "no-majority")
	startUnit(t, f, 1, sentinelID)
	startUnit(t, f, 2, sentinelID)
	start, err := fenceOn(t, f, replica, servingIn)
	startsAs(t, start, err, addrOf(f, master), "follow")
	if !strings.Contains(read(t, confFile(f, replica)), "\nreplicaof "+f.Host(master)+" 6379\n") {
		t.Error("the role was not written")
	}
}

// TestBootThatIsCut: a fence that dies at any of its effects has started nothing,
// and the next one decides the same.
func TestBootThatIsCut(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 30*time.Second)
	errCut := errors.New("cut")
	reached := map[effect.Label]int{}
	for _, label := range boot.Labels() {
		for _, at := range []effect.Point{effect.Before, effect.After} {
			// A role to be written, with sentinels that can tell it.
			conf := strings.ReplaceAll(read(t, confFile(f, master)), "\nreplica-read-only yes\n", "\nreplica-read-only no\n")
			if err := os.WriteFile(confFile(f, master), []byte(conf), 0o600); err != nil {
				t.Fatal(err)
			}
			wait := servingIn // for sentinels that come up
			if label == boot.LabelDown {
				wait = time.Second
			} else if reached[boot.LabelDown] == 2 && reached[boot.LabelClear] == 0 && at == effect.Before {
				startUnit(t, f, 1, sentinelID)
				startUnit(t, f, 2, sentinelID)
			}
			_, err := boot.Fence(t.Context(), boot.Options{Config: f.AgentConfig(master), Instance: redisID, Wait: wait,
				Hook: func(_ context.Context, l effect.Label, p effect.Point) error {
					if l == label && p == at {
						reached[l]++
						return errCut
					}
					return nil
				}})
			if !errors.Is(err, errCut) {
				t.Fatalf("%s %s: the fence gave %v", at, label, err)
			}
		}
	}
	for _, label := range boot.Labels() {
		if reached[label] != 2 {
			t.Errorf("%s was cut %d times, want before and after", label, reached[label])
		}
	}
	start, err := fenceOn(t, f, master, servingIn)
	startsAs(t, start, err, fleet.Addr{}, "young-sentinels")
	if !strings.Contains(read(t, confFile(f, master)), "\nreplica-read-only yes\n") {
		t.Error("after the cuts the file is not what it should be")
	}
}
