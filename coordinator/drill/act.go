package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/redfleet/redfleet/coordinator/switchover"
	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/history"
)

// act does the one thing that the drill is about, and returns once it shows.
func (c *course) act(ctx context.Context) error {
	start := c.r.Now()
	var err error
	if c.o.Kind == drill.Failover {
		err = c.failover(ctx)
	} else {
		err = c.onMachine(ctx)
	}
	if err != nil {
		return err
	}
	done := c.r.Now()
	first := done
	if c.o.Kind.OnMachine() {
		if first, err = c.awaitEffect(ctx, start); err != nil {
			return err
		}
	}
	byHand := len(c.o.Via) == 0
	if c.o.Kind == drill.Kill || c.o.Kind == drill.Isolate && byHand {
		// The way to the machine, and a person, took their time.
		start, done = max(start, first-writePause), first
	}
	c.fault = history.Fault{Number: 1, Kind: string(c.o.Kind), Target: c.f.Master.Node, Start: start, Healed: start, Claims: drill.Claims(c.o.Kind, c.o.Group), Broken: c.broken}
	if c.o.Kind == drill.Isolate {
		c.fault.Isolated, c.fault.Made, c.fault.Healed = c.f.Master.Node, done, done+c.o.Cut
	}
	return nil
}

// failover switches the master as any planned failover does: no acknowledged write is
// lost (hazard S13), and one sentinel is asked, once (hazard S18).
func (c *course) failover(ctx context.Context) error {
	out, err := switchover.Run(ctx, switchover.Options{Target: c.f.Target, Password: c.password, Master: c.f.Master, Ask: c.f.Ask,
		Effects: c.o.Effects, Tell: c.o.Tell})
	for _, w := range out.Warnings {
		c.o.Tell("%s", w)
	}
	if err != nil && !errors.Is(err, switchover.ErrUnchanged) {
		c.broken = append(c.broken, err.Error()) // the master may be another: what came of it is looked at all the same
		return nil
	}
	return err
}

// Command is what is run on the master's machine, as root.
func Command(o Options) []string {
	argv := []string{"redfleet", "drill", "act", string(o.Kind), o.Group, "--yes"}
	if o.Kind == drill.Isolate {
		argv = append(argv, "--for", o.Cut.String())
	}
	return argv
}

// onMachine has the command run, or asks a person to run it. No password is in it.
func (c *course) onMachine(ctx context.Context) error {
	argv := Command(c.o)
	if len(c.o.Via) == 0 {
		c.o.Tell("run this on %s (%s), as root, within %s:\n  %s", c.f.Master.Node, c.f.Master.Addr.Host, c.o.Timeout, strings.Join(argv, " "))
		return nil
	}
	place := strings.NewReplacer("{node}", c.f.Master.Node, "{address}", c.f.Master.Addr.Host)
	var full []string
	for _, word := range c.o.Via {
		full = append(full, place.Replace(word))
	}
	full = append(full, argv...)
	c.o.Tell("running %s", strings.Join(full, " "))
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	return c.o.Effects.Do(ctx, LabelCommand, func(ctx context.Context) error {
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, full[0], full[1:]...)
		cmd.Stdout, cmd.Stderr = &said, &said
		cmd.WaitDelay = time.Second
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w: %s", full[0], err, strings.TrimSpace(said.String()))
		}
		return nil
	})
}

// awaitEffect returns once clients or most sentinels notice: a write that failed, or
// another master. An isolation that is over in time for nobody to notice is one too.
func (c *course) awaitEffect(ctx context.Context, start time.Duration) (time.Duration, error) {
	limit := c.o.Timeout
	if c.o.Kind == drill.Isolate && len(c.o.Via) > 0 {
		limit = c.o.Cut
	}
	for deadline := time.Now().Add(limit); ; {
		if first, failed := c.r.FailedSince(start); failed {
			return first, nil
		}
		if now, is := drill.NewMaster(c.f.Target, sentinels(ctx, c.f.Target, c.password, false)); is && now != c.f.Master.Addr {
			return c.r.Now(), nil
		}
		if time.Now().After(deadline) {
			if c.o.Kind == drill.Isolate && len(c.o.Via) > 0 {
				return start, nil
			}
			return 0, fmt.Errorf("%w (%s): no write failed, and the master is where it was", ErrNoEffect, limit)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(pause):
		}
	}
}
