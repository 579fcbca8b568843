package drill

import (
	"context"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/verdict"
)

// lookIn bounds one look at what each server kept.
const lookIn = 5 * time.Second

// awaitWhole waits until the fault is over, the group is whole, and each server was
// asked what it kept; it notes when, or what was missing in the time given.
func (c *course) awaitWhole(ctx context.Context) {
	deadline := c.fault.Healed + c.o.Timeout
	if c.o.Kind == drill.Isolate {
		c.o.Tell("%s is cut off from its peers for %s", c.f.Master.Node, c.o.Cut)
	}
	c.o.Tell("waiting until the group is whole again")
	for {
		why := "the cut is not over yet"
		if c.r.Now() >= c.fault.Healed {
			if why = c.missing(ctx); why == "" {
				return
			}
		}
		c.fault.Why = why
		if c.r.Now() > deadline {
			return
		}
		select {
		case <-ctx.Done():
			c.fault.Why = fmt.Sprintf("it was not waited for any longer (%v); %s", ctx.Err(), why)
			return
		case <-time.After(pause):
		}
	}
}

// missing says what of a whole group is missing: another master after a failover
// that was asked for, each server with all that was written, verify. Reports may be
// of before the fault; the servers themselves are asked first.
func (c *course) missing(ctx context.Context) string {
	if why := c.unnamed(ctx); why != "" {
		return why
	}
	if _, last := c.r.Acknowledged(); last < c.fault.Start || c.r.Now()-last > time.Second {
		return "no write is acknowledged"
	}
	at := c.r.Now()
	if why := c.verify(ctx); why != "" {
		return why
	}
	look, cancel := context.WithTimeout(ctx, lookIn)
	defer cancel()
	if err := c.r.Look(look); err != nil {
		return err.Error()
	}
	c.fault.Whole, c.fault.Why = at, ""
	return ""
}

// unnamed says what keeps the sentinels from naming a master, another one after a
// failover.
func (c *course) unnamed(ctx context.Context) string {
	now, is := drill.NewMaster(c.f.Target, sentinels(ctx, c.f.Target, c.password, false))
	switch {
	case !is:
		return "most sentinels do not agree on a master"
	case c.o.Kind == drill.Failover && now == c.f.Master.Addr:
		return "the sentinels still name " + c.f.Master.Node
	}
	return ""
}

// unsettled says what is missing where no client of the drill writes and the master
// should be on a node, empty for any other than before.
func (c *course) unsettled(ctx context.Context, master string) string {
	if why := c.unnamed(ctx); why != "" {
		return why
	}
	w, err := records.LoadWorld(ctx, c.o.Client, c.o.Fleet, time.Now(), true)
	if err != nil {
		return err.Error()
	}
	// Reports may be of before it.
	if a := assess.Group(w, c.o.Group); a.Master == nil || a.Master.Node == c.f.Master.Node || master != "" && a.Master.Node != master {
		return "the agents do not report another master yet"
	}
	return c.failing(w)
}

// verify is the first check that does not hold and that nobody forced; empty for none.
func (c *course) verify(ctx context.Context) string {
	w, err := records.LoadWorld(ctx, c.o.Client, c.o.Fleet, time.Now(), true)
	if err != nil {
		return err.Error()
	}
	return c.failing(w)
}

// failing is the first check of these records that does not hold and that nobody forced.
func (c *course) failing(w fleet.World) string {
	forced := map[string]bool{}
	for _, name := range c.o.Force {
		forced[name] = true
	}
	for _, check := range verdict.New(w, assess.Fleet(w), c.o.Group).Failed() {
		if !forced[check.Name] {
			return fmt.Sprintf("%s: %s; wanted: %s", check.Name, check.Seen, check.Want)
		}
	}
	return ""
}
