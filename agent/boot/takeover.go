package boot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/systemd"
)

// Units starts redfleet's own units; part of systemd's Supervisor.
type Units interface {
	apply.Starter
	Status(ctx context.Context, name fleet.InstanceID) (fleet.UnitStatus, error)
}

// startPatience is how long a take-over waits for the new unit's process. The boot
// fence may hold a server for longer; systemd goes on with it by itself.
const startPatience = 2 * time.Second

// TakeOver moves an adopted instance that is down to redfleet's folder and unit, and
// starts that unit, whose boot fence decides as what it comes up. systemd runs it in
// place of each start of the unit that the instance was adopted from, whether the
// agent lives or not (promise fail-static). It needs what the agent left on disk, and
// neither Consul nor the agent.
//
// nil means that redfleet's unit runs, or that systemd is at it. After any error the
// old unit must not start: the files may be on their way.
func TakeOver(ctx context.Context, o Options, units Units) error {
	m, err := readAny(ctx, o)
	if err != nil {
		return err
	}
	g := m.instance
	if g.Adopted == nil {
		return fmt.Errorf("%s was not adopted, so there is nothing to take over", g.ID)
	}
	status, err := units.Status(ctx, g.ID)
	if err != nil || status.State == fleet.UnitActive {
		return err
	}
	a, err := m.applier(ctx, effect.New(o.Hook))
	if err != nil {
		return err
	}
	if err := a.UnderUnits(m.config.User, m.config.InstanceLog == specfile.LogFile); err != nil {
		return err
	}
	a.Starter = units
	t := apply.Target{Goal: g, Password: m.password}
	if err := m.move(ctx, a, t); err != nil {
		return err
	}
	step := converge.Step{Kind: converge.StartRedis, Instance: g.ID, Fenced: true}
	if g.Kind == fleet.KindSentinel {
		step.Kind = converge.StartSentinel
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := a.Do(ctx, step, t); err != nil && !errors.Is(err, systemd.ErrUnderWay) {
		return err
	}
	return nil
}

// move brings the files over, unless that was done before.
func (m machine) move(ctx context.Context, a *apply.Applier, t apply.Target) error {
	var memory converge.Memory
	if _, err := m.store.Instance(t.Goal.ID, &memory); err != nil || memory.Moved {
		return err
	}
	d := net.Dialer{Timeout: time.Second}
	if conn, err := d.DialContext(ctx, "tcp", t.Goal.Addr.String()); err == nil {
		_ = conn.Close()
		return fmt.Errorf("something still listens on %s, so the files of %s are left where they are; stop it", t.Goal.Addr, t.Goal.ID)
	}
	return a.TakeOver(ctx, t)
}
