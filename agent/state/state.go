// Package state keeps what an agent must not forget: who it is, the last goal,
// the highest epoch, the sealed secrets, and what it knows of each instance.
//
// Files are written to a temporary name, synced and renamed, so that a crash
// leaves the old or the new one. A file that cannot be read is never
// overwritten: the error names it, and the agent goes on without it only where
// that is safe.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Store is the state folder of one agent.
type Store struct {
	dir string
	// Clock, when set, stands in for the kernel's: the simulation's.
	Clock Clock
}

// Node is what the agent knows about itself and its fleet.
type Node struct {
	// Agent is made at the first start and stays (hazard M4).
	Agent string `json:"agent"`
	// FleetID is the identity of the fleet whose goal was accepted first.
	FleetID string `json:"fleet_id,omitempty"`
	// Epoch is the highest goal epoch accepted.
	Epoch uint64 `json:"epoch,omitempty"`
}

// Open makes the folder where it is missing (0700).
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(filepath.Join(dir, "instances"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the agent's state folder: %w", err)
	}
	return &Store{dir: dir}, nil
}

// OpenExisting opens a folder that an agent made; it makes nothing. A folder that
// is not there is fs.ErrNotExist.
func OpenExisting(dir string) (*Store, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("the agent's state folder cannot be read: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("the agent's state folder %s is no folder", dir)
	}
	return &Store{dir: dir}, nil
}

// RunDir is where the process supervisor keeps its records.
func (s *Store) RunDir() string { return filepath.Join(s.dir, "run") }

// Node reads node.json; a missing file gives the zero Node.
func (s *Store) Node() (Node, error) {
	var n Node
	_, err := s.read("node.json", &n)
	return n, err
}

// SaveNode writes node.json.
func (s *Store) SaveNode(n Node) error { return s.write("node.json", n) }

// Session reads the Consul session that a restarted agent takes up again.
func (s *Store) Session() (string, error) {
	var id string
	_, err := s.read("session.json", &id)
	return id, err
}

// SaveSession keeps it.
func (s *Store) SaveSession(id string) error { return s.write("session.json", id) }

// Goal reads the last accepted goal; false when there is none.
func (s *Store) Goal() (fleet.Goal, bool, error) {
	var g fleet.Goal
	found, err := s.read("goal.json", &g)
	return g, found, err
}

// SaveGoal keeps an accepted goal.
func (s *Store) SaveGoal(g fleet.Goal) error { return s.write("goal.json", g) }

// Secret reads the sealed secret of a group.
func (s *Store) Secret(group string) (fleet.Secret, bool, error) {
	var sec fleet.Secret
	found, err := s.read("secret-"+group+".json", &sec)
	return sec, found, err
}

// SaveSecret keeps the sealed secret of a group.
func (s *Store) SaveSecret(sec fleet.Secret) error {
	return s.write("secret-"+sec.Group+".json", sec)
}

// Instance reads what is remembered of an instance into v.
func (s *Store) Instance(id fleet.InstanceID, v any) (bool, error) {
	return s.read(instanceFile(id), v)
}

func instanceFile(id fleet.InstanceID) string {
	return filepath.Join("instances", string(id)+".json")
}

func (s *Store) read(name string, v any) (bool, error) {
	path := filepath.Join(s.dir, name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot read the agent's state: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("the agent's state file %s is damaged (%w); it is kept as it is: move it away to go on without it", path, err)
	}
	return true, nil
}

func (s *Store) write(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	path := filepath.Join(s.dir, name)
	if err := renameio.WriteFile(path, append(b, '\n'), 0o600, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("cannot keep the agent's state: %w", err)
	}
	return nil
}
