package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/process"
)

// The lab's own units, by the names under which they are kept in its run folder.
const standInUnit fleet.InstanceID = "devconsul"

func agentUnit(node string) fleet.InstanceID       { return fleet.InstanceID("agent-" + node) }
func coordinatorUnit(node string) fleet.InstanceID { return fleet.InstanceID("coordinator-" + node) }

// standIn is the unit of the stand-in for Consul.
func (l *Lab) standIn() fleet.Unit {
	return fleet.Unit{
		Name: standInUnit, Argv: []string{l.Program, "devconsul", "--listen", l.Plan.standInAddr()},
		Dir: l.Dir, Log: l.path("log", "devconsul.log"),
	}
}

// daemons are the units of redfleet on one node.
func (l *Lab) daemons(i int) []fleet.Unit {
	node := l.Plan.nodes()[i]
	units := []fleet.Unit{{
		Name: agentUnit(node), Argv: []string{l.Program, "agent", "--config", l.path(node, "agent.toml")},
		Dir: l.path(node), Log: l.path(node, "log", "agent.log"),
	}}
	if i < l.Plan.Coordinators {
		units = append(units, fleet.Unit{
			Name: coordinatorUnit(node),
			Argv: []string{l.Program, "coordinator", "--config", l.path(fmt.Sprintf("coordinator%d.toml", i+1))},
			Dir:  l.path(node), Log: l.path(node, "log", "coordinator.log"),
		})
	}
	return units
}

// instances opens the records of a node's own instances, which its agent
// keeps; nil when the agent never started one. The caller closes it.
func (l *Lab) instances(node string) (*process.Supervisor, error) {
	dir := l.path(node, "state", "run")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("the instances of %s: %w", node, err)
	}
	return process.New(dir, l.Log), nil
}

// Part is the kind of process that `lab kill --only` names.
type Part string

// The parts of a node.
const (
	PartRedis       Part = "redis"
	PartSentinel    Part = "sentinel"
	PartAgent       Part = "agent"
	PartCoordinator Part = "coordinator"
	partStandIn     Part = "devconsul"
)

// Parts are all parts of a node, in the order of help texts.
func Parts() []string {
	return []string{string(PartRedis), string(PartSentinel), string(PartAgent), string(PartCoordinator)}
}

// part of a unit is the first word of its name.
func part(name fleet.InstanceID) Part {
	word, _, _ := strings.Cut(string(name), "-")
	return Part(word)
}

// Process is one process of the lab, running or not.
type Process struct {
	// Node is empty for the stand-in, which belongs to none.
	Node  string           `json:"node"`
	Part  Part             `json:"part"`
	Name  fleet.InstanceID `json:"name"`
	State fleet.UnitState  `json:"state"`
	PID   int              `json:"pid,omitempty"`
	// Exit says how it ended, where that is known.
	Exit string `json:"exit,omitempty"`
}

// Processes are all processes of the lab, node by node.
func (l *Lab) Processes(ctx context.Context) ([]Process, error) {
	var out []Process
	if l.Plan.Consul == "" {
		p, err := look(ctx, l.units, "", standInUnit)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	for _, node := range l.Plan.nodes() {
		here, err := l.processesOn(ctx, node)
		if err != nil {
			return nil, err
		}
		out = append(out, here...)
	}
	return out, nil
}

func (l *Lab) processesOn(ctx context.Context, node string) ([]Process, error) {
	i, err := l.node(node)
	if err != nil {
		return nil, err
	}
	var out []Process
	for _, u := range l.daemons(i) {
		p, err := look(ctx, l.units, node, u.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	own, err := l.instances(node)
	if own == nil || err != nil {
		return out, err
	}
	defer func() { _ = own.Close() }()
	names, err := own.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		p, err := look(ctx, own, node, name)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func look(ctx context.Context, s *process.Supervisor, node string, name fleet.InstanceID) (Process, error) {
	st, err := s.Status(ctx, name)
	if err != nil {
		return Process{}, err
	}
	return Process{Node: node, Part: part(name), Name: name, State: st.State, PID: st.PID, Exit: st.Exit}, nil
}
