package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/process"
)

// Kill ends what runs on a node with SIGKILL, as a crash or a power loss would:
// all of it at once, or only one part. It gives what was killed; nothing when
// nothing of it ran.
func (l *Lab) Kill(ctx context.Context, node string, only Part) ([]Process, error) {
	procs, err := l.processesOn(ctx, node)
	if err != nil {
		return nil, err
	}
	if only != "" && !slices.Contains(Parts(), string(only)) {
		return nil, fmt.Errorf("--only %q is not known; a node has %s", only, Parts())
	}
	own, err := l.instances(node)
	if err != nil {
		return nil, err
	}
	if own != nil {
		defer func() { _ = own.Close() }()
	}
	var killed []Process
	var g errgroup.Group
	there := false
	for _, p := range procs {
		if only != "" && p.Part != only {
			continue
		}
		there = true
		if p.State != fleet.UnitActive {
			continue
		}
		killed = append(killed, p)
		g.Go(func() error { return l.keeper(p, own).Kill(ctx, p.Name) })
	}
	if !there {
		return nil, fmt.Errorf("%s has no %s", node, only)
	}
	return killed, g.Wait()
}

// keeper is the supervisor that has the process on record: the lab for
// redfleet's own daemons, the node's agent for its instances.
func (l *Lab) keeper(p Process, own *process.Supervisor) *process.Supervisor {
	if p.Part == PartRedis || p.Part == PartSentinel {
		return own
	}
	return l.units
}

// Start starts redfleet's daemons on a node again; the agent brings its
// instances back as its goal says. It gives what was started.
func (l *Lab) Start(ctx context.Context, node string) ([]Process, error) {
	i, err := l.node(node)
	if err != nil {
		return nil, err
	}
	var started []Process
	for _, u := range l.daemons(i) {
		before, err := look(ctx, l.units, node, u.Name)
		if err != nil {
			return started, err
		}
		if before.State == fleet.UnitActive {
			continue
		}
		if err := l.units.Start(ctx, u); err != nil {
			return started, err
		}
		after, err := look(ctx, l.units, node, u.Name)
		if err != nil {
			return started, err
		}
		started = append(started, after)
	}
	return started, nil
}

// end stops one unit: it asks, and kills what does not go in time.
func end(ctx context.Context, s *process.Supervisor, name fleet.InstanceID) error {
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := s.Stop(asking, name)
	if errors.Is(err, process.ErrStillRunning) && ctx.Err() == nil {
		err = s.Kill(ctx, name)
	}
	return err
}
