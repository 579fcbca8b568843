// Package distro looks after the distribution's own Redis and Valkey units
// (hazard E2): redis-server, redis-sentinel, valkey-server and valkey-sentinel,
// which a package starts at its installation on the ports that redfleet's
// instances want, and starts again with each upgrade.
//
// One that holds no key, no client and no data on disk is stopped and masked. Any
// other is left as it is, and its port is refused, with what to do: redfleet
// never ends what somebody uses (promise data-wins).
package distro

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/rdb"
	"github.com/redfleet/redfleet/systemd"
)

// Verdict is what is to be done with a unit.
type Verdict string

// The verdicts.
const (
	// Leave: it neither runs nor starts at the next boot.
	Leave Verdict = "leave"
	// TakeOut: it is unused, and can be stopped and masked.
	TakeOut Verdict = "take-out"
	// Refuse: it is used, or may be. Its ports are not to be had.
	Refuse Verdict = "refuse"
)

// Finding is the verdict on one unit.
type Finding struct {
	Unit string
	// Ports are those on which it listens, or would.
	Ports   []int
	Verdict Verdict
	// Found says what was seen, Do what to do about it; Do is empty where there is
	// nothing to do.
	Found, Do string

	unit  systemd.Unit
	dir   string
	names rdb.Names
	// clients is how the names of a sentinel's own connections begin.
	clients string
}

// Patterns are the names of the units; the instances of Debian's templates, such
// as redis-server@second.service, are among them.
func Patterns() []string {
	var out []string
	for _, engine := range []string{"redis", "valkey"} {
		for _, what := range []string{"-sentinel", "-server"} { // the sentinel is a client of the server
			out = append(out, engine+what+".service", engine+what+"@*.service")
		}
	}
	return out
}

// Look gives a finding for each of the distribution's units that there is. It
// only looks: it asks systemd, reads the units' configuration files and data
// folders, and asks the servers that run, with the password of their own files.
// It needs root for these. An error means that systemd gave no answer.
func Look(ctx context.Context) ([]Finding, error) {
	var findings []Finding
	err := each(ctx, func(f Finding) error {
		findings = append(findings, f)
		return nil
	})
	return findings, err
}

// each judges the units one after the other. Sentinels come first, since one that
// is unused is a client of the server that its example names, and no use of it.
func each(ctx context.Context, do func(Finding) error) error {
	var unused []string
	for _, pattern := range Patterns() {
		units, err := systemd.Units(ctx, pattern)
		if err != nil {
			return err
		}
		for _, u := range units {
			f := judge(gather(ctx, u, unused))
			if f.Verdict == TakeOut && f.clients != "" {
				unused = append(unused, f.clients)
			}
			if err := do(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// LabelTakeOut is the effect of stopping and masking a unit, or undoing that.
const LabelTakeOut effect.Label = "agent: take a unit of the distribution out of service"

// Clear takes every unit of the distribution that is unused out of service, and
// tells of each; what is used it leaves, for Look to tell. The agent does this on
// a machine that is to get its first instance. Units in keep are left alone: what
// they run was adopted.
func Clear(ctx context.Context, effects effect.Runner, keep []string, tell func(string)) error {
	return each(ctx, func(f Finding) error {
		if f.Verdict != TakeOut || slices.Contains(keep, f.Unit) {
			return nil
		}
		return takeOut(ctx, f, effects, tell)
	})
}

// takeOut stops and masks a unit, and puts it back when the stop brought data to
// light: a key that was written since the look is saved by the stop, not lost.
func takeOut(ctx context.Context, f Finding, effects effect.Runner, tell func(string)) error {
	err := effects.Do(ctx, LabelTakeOut, func(ctx context.Context) error { return systemd.TakeOut(ctx, f.Unit) })
	if err != nil {
		return fmt.Errorf("the distribution's unit could not be taken out of service: %w", err)
	}
	if held := dataIn(f.dir, f.names); held != "" {
		err := effects.Do(ctx, LabelTakeOut, func(ctx context.Context) error { return systemd.PutBack(ctx, f.unit) })
		if err != nil {
			return fmt.Errorf("the distribution's %s was stopped, %s now, and it could not be started again: %w; systemctl unmask %s, and start it",
				f.Unit, held, err, f.Unit)
		}
		return nil // used after all, as the next look finds
	}
	tell(fmt.Sprintf("the distribution's %s was stopped and masked: %s, and redfleet runs instances of its own; to have it back: systemctl unmask %s",
		f.Unit, f.Found, f.Unit))
	return nil
}

// refuse leaves the unit as it is.
func (f Finding) refuse(found string) Finding {
	f.Verdict, f.Found = Refuse, found
	name := strings.TrimSuffix(f.Unit, ".service")
	f.Do = fmt.Sprintf("redfleet leaves it as it is: save what is needed of it and free the port (systemctl disable --now %s), or give the group another port", name)
	if f.dir != "" {
		f.Do = fmt.Sprintf("redfleet leaves it as it is: save its data, which is in %s, and free the port (systemctl disable --now %s), or give the group another port", f.dir, name)
	}
	return f
}
