package apply

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/process"
)

// TestStartDoesNotWaitForGood: a child of the former process, as a background
// save, holds the unit's lock. The agent tries again later instead of leaving
// all its other instances alone until that child has ended.
func TestStartDoesNotWaitForGood(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := state.Open(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	units := process.New(store.RunDir(), logrus.New())
	t.Cleanup(func() { _ = units.Close() })
	goal := fleet.InstanceGoal{ID: "redis-main-6379", Kind: fleet.KindRedis, Engine: fleet.EngineRedis}
	if err := os.MkdirAll(Dir(dir, goal.ID), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(store.RunDir(), string(goal.ID)+".lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	a := &Applier{DataDir: dir, Store: store, Starter: units, Effects: effect.New(nil),
		Engines: map[string]engine.Engine{fleet.EngineRedis: {Server: "/bin/true"}}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := a.start(ctx, converge.Step{}, Target{Goal: goal}, ""); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Errorf("the start gave %v, the test's own time: %v", err, ctx.Err())
	}
}

// TestAStaleStartIsRefused: a start as the master that was decided long ago is not
// carried out, where no boot fence sees to that (hazard S20).
func TestAStaleStartIsRefused(t *testing.T) {
	t.Parallel()
	a := &Applier{DataDir: t.TempDir(), Effects: effect.New(nil), Engines: map[string]engine.Engine{fleet.EngineRedis: {Server: "/bin/true"}}}
	s := converge.Step{Kind: converge.StartRedis, Asked: time.Now().Add(-time.Minute), Prepared: true}
	if err := a.startRedis(t.Context(), s, Target{Goal: fleet.InstanceGoal{ID: "redis-main-6379", Kind: fleet.KindRedis, Engine: fleet.EngineRedis}}); !errors.Is(err, ErrStale) {
		t.Errorf("the start gave %v, want ErrStale", err)
	}
}

// TestSentinelWithoutItsState: a sentinel that ran before is never given another
// master by a render where its file does not name one any more.
func TestSentinelWithoutItsState(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"whole":          {"port 26379\nsentinel monitor main n2 6379 2\n", ""},
		"empty":          {"", "no line"},
		"master removed": {"port 26379\nsentinel myid 0123\n", "no line"},
		"another master": {"sentinel monitor other n2 6379 2\n", "no line"},
		"damaged":        {"sentinel monitor main n2 6379 2\n\x00\x00", "NUL"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := filepath.Join(t.TempDir(), "sentinel.conf")
			if err := os.WriteFile(conf, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := watches(conf, "main")
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
