// Package drill does, on one machine and as root, what a drill needs done there: it
// ends the process of a group's server, or cuts the machine off from the group's
// peers for a bounded time. `redfleet drill act` is the only caller: no agent takes
// an order for it.
package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/process"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/systemd"
)

// The labels of what is done here.
const (
	LabelKill    effect.Label = "drill: kill the server's process"
	LabelDeadMan effect.Label = "drill: set the end of the cut"
	LabelCut     effect.Label = "drill: cut the machine off"
)

// Labels are all of them.
func Labels() []effect.Label { return []effect.Label{LabelKill, LabelDeadMan, LabelCut} }

// Instance is the group's server on this machine, as the agent's last goal has it.
func Instance(cfg specfile.AgentConfig, group string) (fleet.InstanceGoal, error) {
	store, err := state.OpenExisting(cfg.StateDir)
	if err != nil {
		return fleet.InstanceGoal{}, err
	}
	goal, found, err := store.Goal()
	if err != nil {
		return fleet.InstanceGoal{}, err
	}
	for _, g := range goal.Instances {
		if found && g.Group == group && g.Kind == fleet.KindRedis {
			return g, nil
		}
	}
	return fleet.InstanceGoal{}, fmt.Errorf("the agent on %s has no server of group %q; nothing was done", cfg.Node, group)
}

// Kill ends the server's process with SIGKILL. The error says so where none runs.
func Kill(ctx context.Context, cfg specfile.AgentConfig, g fleet.InstanceGoal, effects effect.Runner) (pid int, err error) {
	if cfg.Supervisor == specfile.SupervisorProcess {
		return killPlain(ctx, cfg, g, effects)
	}
	units := systemd.New(systemd.Options{User: cfg.User, Log: logrus.StandardLogger()})
	defer func() { _ = units.Close() }()
	status := func() (fleet.UnitStatus, error) {
		if g.Adopted != nil {
			f, err := units.Foreign(ctx, g.Adopted.Unit)
			if err != nil || f.Status.State == fleet.UnitActive {
				return f.Status, err
			}
		}
		return units.Status(ctx, g.ID)
	}
	st, err := running(g, status)
	if err != nil {
		return 0, err
	}
	fd, err := unix.PidfdOpen(st.PID, 0)
	if err != nil {
		return 0, fmt.Errorf("the process of %s (pid %d): %w", g.ID, st.PID, err)
	}
	defer func() { _ = unix.Close(fd) }()
	// The pid is still the unit's: the descriptor is of that process and no later one.
	if again, err := running(g, status); err != nil || again.PID != st.PID {
		return 0, errors.Join(err, fmt.Errorf("%s was restarted just now; nothing was done", g.ID))
	}
	return st.PID, effects.Do(ctx, LabelKill, func(context.Context) error {
		return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	})
}

func killPlain(ctx context.Context, cfg specfile.AgentConfig, g fleet.InstanceGoal, effects effect.Runner) (int, error) {
	units := process.New(filepath.Join(cfg.StateDir, "run"), logrus.StandardLogger())
	defer func() { _ = units.Close() }()
	st, err := running(g, func() (fleet.UnitStatus, error) { return units.Status(ctx, g.ID) })
	if err != nil {
		return 0, err
	}
	return st.PID, effects.Do(ctx, LabelKill, func(ctx context.Context) error { return units.Kill(ctx, g.ID) })
}

func running(g fleet.InstanceGoal, status func() (fleet.UnitStatus, error)) (fleet.UnitStatus, error) {
	st, err := status()
	if err == nil && (st.State != fleet.UnitActive || st.PID <= 1) {
		err = fmt.Errorf("%s does not run here; nothing was done", g.ID)
	}
	return st, err
}

// peersOf are the addresses of the group's other machines, and the ports that the
// group uses anywhere. Names are resolved.
func peersOf(ctx context.Context, cfg specfile.AgentConfig, g fleet.InstanceGoal) (peers []net.IP, ports []int, err error) {
	for _, m := range slices.Concat(g.Servers, g.Sentinels) {
		if !slices.Contains(ports, m.Addr.Port) {
			ports = append(ports, m.Addr.Port)
		}
		if m.Node == cfg.Node {
			continue
		}
		ips, err := net.DefaultResolver.LookupIP(ctx, "ip", m.Addr.Host)
		if err != nil {
			return nil, nil, fmt.Errorf("the address of %s: %w; nothing was done", m.Node, err)
		}
		for _, ip := range ips {
			if !slices.ContainsFunc(peers, ip.Equal) {
				peers = append(peers, ip)
			}
		}
	}
	if len(peers) == 0 {
		err = fmt.Errorf("group %q has no machine but this one; nothing was done", g.Group)
	}
	return peers, ports, err
}

// join writes a list as nft takes it.
func join[T any](list []T, more string) string {
	var out []string
	for _, x := range list {
		out = append(out, fmt.Sprint(x)+more)
	}
	return strings.Join(out, ", ")
}
