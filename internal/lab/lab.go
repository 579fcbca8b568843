// Package lab is a whole fleet on one machine: nodes on loopback addresses, a
// process per agent and coordinator as on machines, and a stand-in for Consul
// unless a real one is given. It needs no root, and everything of it is in one
// folder.
//
// The lab only starts and kills processes; what they do is redfleet itself.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/process"
	"github.com/redfleet/redfleet/internal/records"
)

// ErrNoLab: the folder holds no lab.
var ErrNoLab = errors.New("there is no lab")

// Options say which lab is meant and how to work on it.
type Options struct {
	// Dir is the lab's folder.
	Dir string
	// Program is the absolute path of redfleet itself.
	Program string
	Log     logrus.FieldLogger
	// Progress hears in a few words what is going on; nil for nobody.
	Progress func(string)
	// Assess is the coordinator's own verdict on the groups of a fleet.
	Assess func(fleet.World) []fleet.Assessment
}

func (o Options) progress(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// Lab is one lab that is on disk. Close ends the watching of its processes and
// none of the processes.
type Lab struct {
	Options
	Plan  Plan
	units *process.Supervisor
	// known: the lab was in the folder before.
	known bool
}

// planFile marks a folder as a lab's: nothing is removed from one without it.
const planFile = "lab.json"

// Open finds the lab in a folder; ErrNoLab when there is none.
func Open(o Options) (*Lab, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("the lab's folder: %w", err)
	}
	o.Dir = dir
	data, err := os.ReadFile(filepath.Join(dir, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s; start one with: redfleet lab up --dir %s", ErrNoLab, dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("the lab's own record: %w", err)
	}
	l := &Lab{Options: o, known: true}
	if err := json.Unmarshal(data, &l.Plan); err != nil {
		return nil, fmt.Errorf("%s cannot be read (%w); end the lab's processes by hand and remove the folder",
			filepath.Join(dir, planFile), err)
	}
	l.units = process.New(l.path("run"), o.Log)
	return l, nil
}

// openOrCreate finds the lab in the folder or writes a new one there. Nothing
// is started.
func openOrCreate(o Options, asked Plan) (*Lab, error) {
	l, err := Open(o)
	if err == nil {
		if _, err := asked.over(l.Plan); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		return l, nil
	}
	if !errors.Is(err, ErrNoLab) {
		return nil, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("the lab's folder: %w", err)
	}
	l = &Lab{Options: o, Plan: asked.withDefaults()}
	if err := l.Plan.validate(); err != nil {
		return nil, err
	}
	if err := emptyFolder(o.Dir); err != nil {
		return nil, err
	}
	return l, nil
}

// emptyFolder refuses a folder that holds something else.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the lab's folder: %w", err)
	}
	return fmt.Errorf("%s holds files that are no lab's (%s …); choose another folder with --dir", dir, entries[0].Name())
}

// create makes the new lab's folder; from here on it is a lab.
func (l *Lab) create() error {
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return fmt.Errorf("the lab's folder: %w", err)
	}
	data, err := json.MarshalIndent(l.Plan, "", "  ")
	if err != nil {
		return fmt.Errorf("the lab's own record: %w", err)
	}
	if err := renameio.WriteFile(l.path(planFile), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("the lab's own record: %w", err)
	}
	l.units = process.New(l.path("run"), l.Log)
	return nil
}

// Close ends the watching of the lab's processes.
func (l *Lab) Close() error {
	if l.units == nil {
		return nil
	}
	return l.units.Close()
}

func (l *Lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.Dir}, parts...)...)
}

// node gives the place of a node in the list, or says which nodes there are.
func (l *Lab) node(name string) (int, error) {
	nodes := l.Plan.nodes()
	if i := slices.Index(nodes, name); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("the lab has no node %q; it has n1 to n%d", name, l.Plan.Nodes)
}

// Nodes are the names of the lab's nodes.
func (l *Lab) Nodes() []string { return l.Plan.nodes() }

// KeyFile is the fleet's key.
func (l *Lab) KeyFile() string { return l.path("fleet.key") }

// EnvFile sets the environment in which redfleet's verbs speak to this lab.
func (l *Lab) EnvFile() string { return l.path("env") }

// ConsulAddr is where the lab's Consul answers.
func (l *Lab) ConsulAddr() string { return l.Plan.consulAddr() }

// World reads the lab's fleet. It writes nothing (hazard K6).
func (l *Lab) World(ctx context.Context, now time.Time) (fleet.World, error) {
	client, err := l.dial()
	if err != nil {
		return fleet.World{}, err
	}
	defer client.Close()
	return records.LoadWorld(ctx, client, Fleet, now, true)
}
