package fleettest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

const (
	// cutNodes is the size of the fleets that are cut.
	cutNodes = 3
	// cutServingIn leaves room for Sentinel, which may learn of a replica or of
	// its new priority only with its next INFO, 10 s later, and after a TILT of 30 s.
	cutServingIn = 60 * time.Second
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// identities reads what says on disk who is who: each agent's own id, and the
// group's id in each instance's folder. What is not there yet is left out.
func identities(t *testing.T, f *Fleet) map[string]string {
	t.Helper()
	out := map[string]string{}
	for i := 1; i <= cutNodes; i++ {
		cfg := f.AgentConfig(i)
		if b, err := os.ReadFile(filepath.Join(cfg.StateDir, "node.json")); err == nil {
			var n state.Node
			if err := json.Unmarshal(b, &n); err != nil {
				t.Errorf("node.json of %s: %v", cfg.Node, err)
			}
			out[cfg.Node] = n.Agent
		}
		for _, id := range cutInstances() {
			switch group, err := apply.Identity(cfg.DataDir, id); {
			case err != nil:
				t.Error(err)
			case group != "":
				out[cfg.Node+"/"+string(id)] = group
			}
		}
	}
	return out
}

func cutInstances() []fleet.InstanceID {
	return []fleet.InstanceID{
		fleet.NewInstanceID(fleet.KindRedis, "main", 6379), fleet.NewInstanceID(fleet.KindSentinel, "main", 26379),
	}
}

// starts counts, from the instances' own logs, how often each was started.
func starts(t *testing.T, f *Fleet) map[string]int {
	t.Helper()
	out := map[string]int{}
	for i := 1; i <= cutNodes; i++ {
		for _, id := range cutInstances() {
			logs, err := filepath.Glob(filepath.Join(apply.Dir(f.AgentConfig(i).DataDir, id), "*.log"))
			if err != nil || len(logs) != 1 {
				t.Errorf("n%d/%s has the logs %q, want one (%v)", i, id, logs, err)
				continue
			}
			b, err := os.ReadFile(logs[0])
			if err != nil {
				t.Error(err)
			}
			out[fmt.Sprintf("n%d/%s", i, id)] = bytes.Count(b, []byte(" is starting oO0"))
		}
	}
	return out
}

// checkOutcome is what a bring-up must end with, cut or not. more says which
// instances were started more often than once, by their node and id.
func checkOutcome(t *testing.T, f *Fleet, h *history, before map[string]string, more map[string]int) {
	t.Helper()
	a := f.WaitServing(cutServingIn)
	group := h.check(t)
	if a.Master.Addr != group.Decision.Master {
		t.Errorf("the master is %s, the decision was %s", a.Master.Addr, group.Decision.Master)
	}
	checkRoles(t, f, group.Decision.Master)
	after := identities(t, f)
	for who, id := range before {
		if after[who] != id {
			t.Errorf("the identity of %s is %s, was %s", who, after[who], id)
		}
	}
	want, wantStarts := map[string]string{}, map[string]int{}
	for i := 1; i <= cutNodes; i++ {
		node := fmt.Sprintf("n%d", i)
		want[node] = after[node]
		for _, id := range cutInstances() {
			want[node+"/"+string(id)] = group.ID
			wantStarts[node+"/"+string(id)] = 1 + more[node+"/"+string(id)]
		}
	}
	if d := cmp.Diff(want, after); d != "" {
		t.Errorf("identities on disk (-want +seen):\n%s", d)
	}
	if d := cmp.Diff(wantStarts, starts(t, f)); d != "" {
		t.Errorf("starts of each instance (-want +seen):\n%s", d)
	}
}

// checkRoles asks each server: the decided one is the master, the others follow
// it, and redfleet's own key is on none of them.
func checkRoles(t *testing.T, f *Fleet, master fleet.Addr) {
	t.Helper()
	for i := 1; i <= cutNodes; i++ {
		server, self := f.Redis(i), fleet.Addr{Host: f.Host(i), Port: 6379}
		var role redis.Role
		eventually(t, servingIn, fmt.Sprintf("n%d answers", i), func() (ok bool) {
			var err error
			role, err = server.Role(t.Context())
			return err == nil
		})
		want := redis.Role{Role: fleet.RoleMaster}
		if self != master {
			want = redis.Role{Role: fleet.RoleReplica, Master: master}
		}
		if role.Role != want.Role || role.Master != want.Master {
			t.Errorf("n%d is %s of %s, want %s of %s", i, role.Role, role.Master, want.Role, want.Master)
		}
		eventually(t, servingIn, fmt.Sprintf("the probe key is gone from n%d", i), func() bool { // a step that failed is tried again a second later
			_, found, err := server.Get(t.Context(), fleet.ProbeKey("main"))
			return err == nil && !found
		})
	}
}
