// Package apply carries out the steps that package converge decided. Each
// effect runs under a label (package effect); a step that was cut anywhere is
// decided and carried out again from what is then found (promise resumable).
package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/safefile"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/templates"
)

// Starter starts a unit, stops one, and takes one out of service; part of the
// agent's Supervisor.
type Starter interface {
	Start(ctx context.Context, u fleet.Unit) error
	Stop(ctx context.Context, name fleet.InstanceID) error
	Retire(ctx context.Context, name fleet.InstanceID) error
}

// Applier does the steps of one node.
type Applier struct {
	Node      string
	DataDir   string
	Bind      []string
	Engines   map[string]engine.Engine
	Templates *templates.Set
	Store     *state.Store
	Starter   Starter
	// Adopter is nil where units of systemd are not to be had.
	Adopter Adopter
	// UnitsFence: the unit of a redis instance runs the boot fence before the
	// server, which decides anew, and it alone writes redis.conf and notes the
	// start. Two that write the role could cross each other.
	UnitsFence bool
	// Owner gets the instances' folders; nil: they stay the agent's own.
	Owner *Owner
	// Journal: what an instance says goes to the journal. Else it goes to a file in
	// LogDir, or in the instance's folder where LogDir is empty.
	Journal bool
	LogDir  string
	Effects effect.Runner
}

// Owner is the user that runs the instances.
type Owner struct{ UID, GID int }

// Target is the instance that a step is about.
type Target struct {
	Goal     fleet.InstanceGoal
	Password secret.Password
	// Redis or Sentinel is the connection to it; nil while it is down.
	Redis    *redis.Server
	Sentinel *redis.SentinelClient
}

// Dir is an instance's folder.
func Dir(dataDir string, id fleet.InstanceID) string { return filepath.Join(dataDir, string(id)) }

// identityFile holds the group's id, beside the data that belongs to it.
const identityFile = "identity"

// Identity reads the group id from an instance's folder; empty when there is none.
func Identity(dataDir string, id fleet.InstanceID) (string, error) {
	b, err := safefile.Read(filepath.Join(Dir(dataDir, id), identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the identity of %s: %w", id, err)
	}
	return string(b), nil
}

// Do carries out one step.
func (a *Applier) Do(ctx context.Context, s converge.Step, t Target) error {
	switch s.Kind {
	case converge.Install:
		return a.install(ctx, t)
	case converge.StartRedis:
		return a.startRedis(ctx, s, t)
	case converge.StartSentinel:
		return a.startSentinel(ctx, s, t)
	case converge.Retire:
		return a.retire(ctx, t)
	case converge.EndStranded:
		return a.endStranded(ctx, t)
	case converge.GiveWay, converge.Move, converge.MaskOrigin:
		return a.adopt(ctx, s, t)
	default:
		return a.small(ctx, s, t)
	}
}

func (a *Applier) install(ctx context.Context, t Target) error {
	dir := Dir(a.DataDir, t.Goal.ID)
	err := a.Effects.Do(ctx, LabelFolder, func(context.Context) error {
		if err := os.MkdirAll(dir, 0o700); err != nil || a.Owner == nil {
			return err
		}
		// The folder above is root's, so nobody can have put a link here.
		return errors.Join(os.Lchown(dir, a.Owner.UID, a.Owner.GID), passable(a.DataDir))
	})
	if err != nil {
		return err
	}
	return a.Effects.Do(ctx, LabelIdentity, func(context.Context) error {
		return safefile.Write(filepath.Join(dir, identityFile), []byte(t.Goal.GroupID), 0o600)
	})
}

// passable tells of a folder on the way to the instances that only its owner may
// enter: their user then cannot reach its own folder.
func passable(dir string) error {
	for ; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("the user that runs the instances cannot pass through %s (mode %04o): chmod o+x %s", dir, info.Mode().Perm(), dir)
		}
	}
	return nil
}

// remember changes what is kept of an instance outside of its folder.
func (a *Applier) remember(ctx context.Context, id fleet.InstanceID, edit func(*converge.Memory)) error {
	return a.Effects.Do(ctx, LabelRemember, func(context.Context) error {
		_, err := state.UpdateInstance(a.Store, id, edit)
		return err
	})
}
