package apply

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
)

const oldConf = "port 6379\nrequirepass geheim\nreplicaof 192.0.2.1 6379\nmaxmemory 1gb\n"

// byHand is an adopted server that is down: its files, and the applier of its node.
func byHand(t *testing.T) (a *Applier, target Target, data string) {
	t.Helper()
	dir := t.TempDir()
	data = filepath.Join(dir, "lib")
	put := func(path, text string) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(data, "dump.rdb"), "rdb")
	put(filepath.Join(data, "appendonlydir", "appendonly.aof.manifest"), "aof")
	put(filepath.Join(data, "theirs.txt"), "something else")
	put(filepath.Join(dir, "etc", "redis.conf"), oldConf)
	store, err := state.Open(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	a = &Applier{Node: "n1", DataDir: filepath.Join(dir, "instances"), Store: store, Effects: effect.New(nil)}
	target = Target{Goal: fleet.InstanceGoal{ID: "redis-main-6379", Group: "main", GroupID: "g", Kind: fleet.KindRedis,
		Adopted: &fleet.Origin{Unit: "redis-server.service", Conf: filepath.Join(dir, "etc", "redis.conf"), Dir: data}}}
	return a, target, data
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func moved(t *testing.T, a *Applier, target Target) converge.Memory {
	t.Helper()
	var m converge.Memory
	if _, err := a.Store.Instance(target.Goal.ID, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTakeOverThatIsCut: cut at each of its effects, a move loses nothing, is not
// taken for done, and is brought to its end by the next one.
func TestTakeOverThatIsCut(t *testing.T) {
	errCut := errors.New("cut")
	cuts := 0
	for at := 0; ; at++ {
		a, target, data := byHand(t)
		seen, cut := 0, false
		a.Effects = effect.New(func(context.Context, effect.Label, effect.Point) error {
			if seen++; seen-1 == at {
				cut = true
				return errCut
			}
			return nil
		})
		err := a.TakeOver(t.Context(), target)
		if cut {
			cuts++
			if !errors.Is(err, errCut) {
				t.Fatalf("cut %d: %v", at, err)
			}
			a.Effects = effect.New(nil)
			err = a.TakeOver(t.Context(), target)
		}
		if err != nil {
			t.Fatalf("cut %d: %v", at, err)
		}
		dir := Dir(a.DataDir, target.Goal.ID)
		for path, want := range map[string]string{
			filepath.Join(dir, "dump.rdb"):                                 "rdb",
			filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest"): "aof",
			filepath.Join(dir, "redis.conf"):                               oldConf,
			filepath.Join(dir, "identity"):                                 "g",
			filepath.Join(data, "theirs.txt"):                              "something else",
			target.Goal.Adopted.Conf:                                       oldConf,
		} {
			if got := content(t, path); got != want {
				t.Errorf("cut %d: %s holds %q, not %q", at, path, got, want)
			}
		}
		if m := moved(t, a, target); !m.Moved || !m.Started || !m.Served {
			t.Errorf("cut %d: remembered %+v", at, m)
		}
		if !cut {
			break
		}
	}
	if cuts < 10 {
		t.Errorf("only %d cuts", cuts)
	}
}

// TestTakeOverRefuses: data on both sides is not redfleet's to judge, and without its
// configuration an instance is not moved. Nothing is lost, and nothing counts as moved.
func TestTakeOverRefuses(t *testing.T) {
	a, target, data := byHand(t)
	mine := filepath.Join(Dir(a.DataDir, target.Goal.ID), "dump.rdb")
	if err := errors.Join(os.MkdirAll(filepath.Dir(mine), 0o700), os.WriteFile(mine, []byte("other"), 0o600)); err != nil {
		t.Fatal(err)
	}
	err := a.TakeOver(t.Context(), target)
	if err == nil || !strings.Contains(err.Error(), "which of it counts") || content(t, mine) != "other" || content(t, filepath.Join(data, "dump.rdb")) != "rdb" {
		t.Errorf("with data on both sides: %v, %q and %q", err, content(t, mine), content(t, filepath.Join(data, "dump.rdb")))
	}
	b, target, _ := byHand(t)
	if err := os.Remove(target.Goal.Adopted.Conf); err != nil {
		t.Fatal(err)
	}
	if err := b.TakeOver(t.Context(), target); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("without its configuration: %v", err)
	}
	if moved(t, a, target).Moved || moved(t, b, target).Moved {
		t.Error("it counts as moved")
	}
	target.Goal.Adopted = nil
	if err := b.TakeOver(t.Context(), target); err == nil {
		t.Error("an instance that was not adopted was taken over")
	}
}
