package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
)

// patience is how long a process of the lab may take to end by itself.
const patience = 5 * time.Second

// Down ends every process of the lab and, unless keepData is set, removes
// everything that it made: files, and records in a real Consul. Agents and
// coordinators go first, so that none starts again what is ended after them;
// then sentinels, so that none fails over; then Redis, then the stand-in.
//
// With keepData the next Up goes on with the same data and identity.
func (l *Lab) Down(ctx context.Context, keepData bool) error {
	client, err := l.dial()
	if err != nil {
		return err
	}
	defer client.Close()
	if keepData {
		if err := l.saveIfUp(ctx, client); err != nil {
			return err
		}
	}
	l.progress("ending agents and coordinators")
	if err := l.endDaemons(ctx); err != nil {
		return err
	}
	l.progress("ending sentinels and servers")
	for _, kind := range []Part{PartSentinel, PartRedis} {
		if err := l.endInstances(ctx, kind); err != nil {
			return err
		}
	}
	if !keepData && l.Plan.Consul != "" {
		if err := l.removeRecords(ctx, client); err != nil {
			return fmt.Errorf("every process has ended; the lab's records in Consul at %s could not be removed: %w", l.Plan.Consul, err)
		}
	}
	if err := end(ctx, l.units, standInUnit); err != nil {
		return err
	}
	if keepData {
		return nil
	}
	return l.remove()
}

// saveIfUp saves the records of a stand-in that still has them.
func (l *Lab) saveIfUp(ctx context.Context, client *consul.Client) error {
	if l.Plan.Consul != "" {
		return nil
	}
	p, err := look(ctx, l.units, "", standInUnit)
	if err != nil || p.State != fleet.UnitActive {
		return err
	}
	return l.saveRecords(ctx, client)
}

func (l *Lab) endDaemons(ctx context.Context) error {
	var g errgroup.Group
	for i := range l.Plan.nodes() {
		for _, u := range l.daemons(i) {
			g.Go(func() error { return end(ctx, l.units, u.Name) })
		}
	}
	return g.Wait()
}

// endInstances ends one kind of instance on all nodes.
func (l *Lab) endInstances(ctx context.Context, kind Part) error {
	var g errgroup.Group
	for _, node := range l.Plan.nodes() {
		g.Go(func() error {
			own, err := l.instances(node)
			if own == nil || err != nil {
				return err
			}
			defer func() { _ = own.Close() }()
			names, err := own.List()
			if err != nil {
				return err
			}
			for _, name := range names {
				if part(name) != kind {
					continue
				}
				if err := end(ctx, own, name); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// remove deletes what the lab made in its folder, and the folder when nothing
// else is in it. The plan goes last: as long as it is there, an interrupted
// removal can be run again.
func (l *Lab) remove() error {
	if err := l.units.Close(); err != nil {
		return err
	}
	own := append(l.Plan.nodes(), "log", "run", "spec.toml", "fleet.key", "env", savedFile)
	for i := range l.Plan.Coordinators {
		own = append(own, fmt.Sprintf("coordinator%d.toml", i+1))
	}
	for _, name := range append(own, planFile) {
		if err := os.RemoveAll(l.path(name)); err != nil {
			return fmt.Errorf("every process has ended; a file of the lab stays: %w", err)
		}
	}
	if left, err := os.ReadDir(l.Dir); err != nil || len(left) > 0 {
		return err // what is not the lab's own stays
	}
	if err := os.Remove(l.Dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the lab's folder: %w", err)
	}
	return nil
}
