package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Freeze stops all processes of the node in one instant, its systemd too, as a
// hypervisor does that pauses a machine. Its kernel goes on: connections stay open
// and are taken, and nobody answers on them.
func (n *Node) Freeze(ctx context.Context) error {
	if n.current() == nil {
		return fmt.Errorf("freezing %s: it is off", n.Name)
	}
	if err := setFrozen(ctx, n.cgroup(), true); err != nil {
		return fmt.Errorf("freezing %s: %w", n.Name, err)
	}
	return nil
}

// Thaw lets a frozen node go on.
func (n *Node) Thaw(ctx context.Context) error {
	if err := setFrozen(ctx, n.cgroup(), false); err != nil {
		return fmt.Errorf("thawing %s: %w", n.Name, err)
	}
	return nil
}

// PowerOff takes the node's power away: first its packets stop, so that no peer is
// told, then all its processes end at once. What it had written stays, synced or
// not: the host's page cache is not lost. A cut stays in force.
func (n *Node) PowerOff(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current() == nil {
		return fmt.Errorf("powering off %s: it is off already", n.Name)
	}
	if err := n.silence(ctx); err != nil {
		return fmt.Errorf("powering off %s: %w", n.Name, err)
	}
	if err := n.stop(ctx); err != nil {
		return fmt.Errorf("powering off %s: %w", n.Name, err)
	}
	return nil
}

// stop ends all processes of the node, if there are any, and removes what only a
// running node has.
func (n *Node) stop(ctx context.Context) error {
	if err := killGroup(ctx, n.cgroup()); err != nil {
		return err
	}
	if n.running != nil {
		select {
		case <-n.running.ended:
		case <-ctx.Done():
			return fmt.Errorf("waiting for systemd-nspawn (pid %d): %w", n.running.cmd.Process.Pid, context.Cause(ctx))
		}
	}
	return n.tidy(ctx)
}

// tidy removes what only a running node has. Its processes have ended.
func (n *Node) tidy(ctx context.Context) error {
	if err := errors.Join(removeCgroups(ctx, n.cgroup()), n.unplug(ctx)); err != nil {
		return err
	}
	n.stateMu.Lock()
	n.running = nil
	n.stateMu.Unlock()
	return nil
}

// Shutdown asks the node's systemd to stop everything in order and power off, and
// waits until it has.
func (n *Node) Shutdown(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	leader, err := n.leader()
	if err != nil {
		return fmt.Errorf("shutting down: %w", err)
	}
	const powerOff = 4 // SIGRTMIN+4, see systemd(1)
	if err := unix.Kill(leader, sigRTMin+powerOff); err != nil {
		return fmt.Errorf("shutting down %s: %w", n.Name, err)
	}
	select {
	case <-n.running.ended:
	case <-ctx.Done():
		return fmt.Errorf("%s does not shut down: %w", n.Name, context.Cause(ctx))
	}
	if err := n.stop(ctx); err != nil {
		return fmt.Errorf("after the shutdown of %s: %w", n.Name, err)
	}
	return nil
}

// sigRTMin is the C library's SIGRTMIN, which keeps the kernel's first two.
const sigRTMin = unix.Signal(34)

// BootAgain boots a node that is off, or that has shut itself down, and waits until
// it is up.
func (n *Node) BootAgain(ctx context.Context) error {
	if n.current() == nil {
		n.mu.Lock()
		err := n.stop(ctx)
		n.mu.Unlock()
		if err != nil {
			return fmt.Errorf("booting %s again: %w", n.Name, err)
		}
	}
	if err := n.Boot(ctx); err != nil {
		return err
	}
	return n.WaitRunning(ctx)
}

// WaitOff waits until a node that was told to power off from within is off.
func (n *Node) WaitOff(ctx context.Context) error {
	for n.current() != nil {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("waiting until %s is off: %w", n.Name, err)
		}
	}
	return nil
}
