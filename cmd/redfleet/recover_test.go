package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/recovery"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// offering has node n1 of a group without sentinels offer what it keeps.
func (s *site) offering() {
	s.t.Helper()
	password, err := secret.NewPassword("a-password-for-this-test")
	if err != nil {
		s.t.Fatal(err)
	}
	sealed, err := secret.Seal(s.key.Recipient(), password)
	if err != nil {
		s.t.Fatal(err)
	}
	addr := fleet.Addr{Host: "10.0.0.11", Port: 6379}
	goal := fleet.Goal{Format: fleet.Format, FleetID: "F", Node: "n1", Epoch: 4, Instances: []fleet.InstanceGoal{{
		ID: fleet.NewInstanceID(fleet.KindRedis, "main", 6379), Group: "main", GroupID: "M", Kind: fleet.KindRedis,
		Topology: fleet.Replication, Engine: fleet.EngineRedis, Service: "shop-main", Assigned: fleet.Running, Addr: addr,
		SecretVersion: 1, Servers: []fleet.Member{{Node: "n1", Addr: addr}}, Config: fleet.Directives{"maxmemory": {"64mb"}},
	}}}
	s.put(s.keys.Recovery("n1"), fleet.Recovery{Format: fleet.Format, Node: "n1", Agent: "a", FleetID: "F", Epoch: 4, Goal: goal,
		Secrets: []fleet.Secret{{Format: fleet.Format, Group: "main", GroupID: "M", Version: 1, Recipient: s.key.Recipient(), Sealed: sealed}}})
	s.put(s.keys.Report("n1"), fleet.Report{Format: fleet.Format, Node: "n1", FleetID: "F", Epoch: 4, Address: addr.Host})
}

// TestRecoverAsks: it shows what it found, writes nothing before it is told to, and
// a second run finds nothing to do and says so.
func TestRecoverAsks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	recovered := func(args ...string) outcome {
		t.Helper()
		return s.run(append([]string{"recover", "--key", s.keyFile}, args...)...)
	}
	recovered().want(t, exitOther, "no agent offers anything yet", "nothing was written")
	s.offering()
	before := s.raw()
	recovered().want(t, exitPending, "to write, each only if it is missing", "Write this? [y/N]")
	got := recovered("-o", "json")
	got.want(t, exitPending, `"offers": true`, "nothing was written")
	var doc recovery.Document
	if err := json.Unmarshal([]byte(got.stdout), &doc); err != nil || doc.Written || doc.Committed != 4 || len(doc.Writes) != 5 {
		t.Errorf("%v, %+v", err, doc)
	}
	if s.raw() != before {
		t.Error("it wrote without being told to")
	}
	out := filepath.Join(t.TempDir(), "fleet.toml")
	recovered("--yes", "--spec-out", out).want(t, exitGood, "the records of fleet shop are there again", "")
	spec, _, err := specfile.ReadSpec(out)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s.spec().Spec, spec); d != "" {
		t.Errorf("the file is not the spec in Consul (-Consul +file):\n%s", d)
	}
	recovered("--yes").want(t, exitOther, "refused: Consul is not empty: it has the control record of fleet F, at epoch 4", "nothing was written")
	if info, err := os.Stat(out); err != nil || info.Size() == 0 {
		t.Error("the spec's file is not whole", err)
	}
	if shown := strings.Contains(got.stdout, "a-password-for-this-test"); shown {
		t.Error("it shows the password")
	}
	s.run("credentials", "show", "main").want(t, exitGood, "a-password-for-this-test", "")
}
