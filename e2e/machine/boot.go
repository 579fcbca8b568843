package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// nspawn is one run of a node: the process of systemd-nspawn, below which the
// node's own first process is.
type nspawn struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when nspawn has ended
	err   error         // how, once it has
}

// launch puts itself into the cgroups that are named before "--", and then becomes
// the command after it.
const launch = `while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs"; shift; done; shift; exec "$@"`

// mountAndExec mounts the node's overlay in a mount namespace of its own: when the
// node ends, whatever way, nothing is mounted any more.
const mountAndExec = `mount -t overlay overlay -o "$1" "$2"; shift 2; exec "$@"`

// Boot starts a node that is off. It returns when its first process has been
// started; WaitRunning waits until it is up.
func (n *Node) Boot(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lab.closed.Err() != nil {
		return context.Cause(n.lab.closed)
	}
	if n.current() != nil {
		return fmt.Errorf("node %s is on already", n.Name)
	}
	if err := n.start(ctx); err != nil {
		return errors.Join(fmt.Errorf("booting %s: %w", n.Name, err), n.stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (n *Node) start(ctx context.Context) error {
	if err := n.plug(ctx); err != nil {
		return err
	}
	if err := n.writeUpper("/etc/hosts", []byte(n.lab.hosts()), 0o644); err != nil {
		return err
	}
	groups := cgroups(n.cgroup())
	for _, dir := range groups {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("a cgroup for the node: %w", err)
		}
	}
	console, err := os.OpenFile(n.console(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = console.Close() }()
	argv := slices.Concat([]string{"sh", "-ec", launch, "launch"}, groups, []string{"--",
		"unshare", "--mount", "--propagation", "slave", "--", "sh", "-ec", mountAndExec, "mount",
		"lowerdir=" + n.lab.base + ",upperdir=" + n.upper() + ",workdir=" + n.work(), n.root()}, n.nspawnArgs())
	// Not ended by ctx: the node outlives the call that starts it.
	run := &nspawn{cmd: hostCommand(context.Background(), n.lab.ID, argv...), ended: make(chan struct{})}
	run.cmd.Stdout, run.cmd.Stderr = console, console
	if err := run.cmd.Start(); err != nil {
		return err
	}
	go func() {
		run.err = run.cmd.Wait()
		close(run.ended)
	}()
	n.stateMu.Lock()
	n.running = run
	n.stateMu.Unlock()
	return nil
}

func (n *Node) nspawnArgs() []string {
	args := []string{"systemd-nspawn", "--quiet", "--directory=" + n.root(), "--machine=" + n.machine(), "--hostname=" + n.Name,
		// Becomes the machine-id: the lab's id and the node's number.
		"--uuid=" + fmt.Sprintf("%s00004000800000000000%04d", n.lab.ID[2:], n.number),
		"--network-namespace-path=" + n.network(), "--register=no", "--keep-unit", "--link-journal=no",
		"--resolv-conf=off", "--timezone=off", "--kill-signal=SIGRTMIN+3", "--console=read-only"}
	if n.netAdmin {
		args = append(args, "--capability=CAP_NET_ADMIN")
	}
	for _, d := range n.disks {
		args = append(args, "--bind="+d.host+":"+d.path)
	}
	return append(args, "--boot")
}

// hosts is an /etc/hosts with all nodes that there are.
func (l *Lab) hosts() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	for _, n := range l.nodes {
		fmt.Fprintf(&b, "%s %s\n", n.Address, n.Name)
	}
	return b.String()
}

// current is the node's run, nil while it is off.
func (n *Node) current() *nspawn {
	n.stateMu.Lock()
	defer n.stateMu.Unlock()
	if n.running == nil {
		return nil
	}
	select {
	case <-n.running.ended: // by itself: shut down from within, or failed
		return nil
	default:
		return n.running
	}
}

// leader is the pid of the node's first process on the host.
func (n *Node) leader() (int, error) {
	run := n.current()
	if run == nil {
		text, _ := os.ReadFile(n.console())
		return 0, fmt.Errorf("node %s is off (its console ends with: %s)", n.Name, tail(string(text), 5))
	}
	pid, ok := initBelow(run.cmd.Process.Pid)
	if !ok {
		return 0, fmt.Errorf("node %s has no first process yet", n.Name)
	}
	return pid, nil
}

// WaitRunning waits until the node's systemd says that it has come up: all units
// of the boot have started. One that failed is an error, with its name.
func (n *Node) WaitRunning(ctx context.Context) error {
	last := "its systemd does not answer yet"
	for {
		if n.current() == nil {
			_, err := n.leader()
			return fmt.Errorf("waiting for %s: %w", n.Name, err)
		}
		r, err := n.ask(ctx, "systemctl", "is-system-running")
		switch state := strings.TrimSpace(r.Stdout); {
		case err != nil:
			last = err.Error()
		case state == "running":
			return nil
		case state == "degraded":
			failed, _ := n.ask(ctx, "systemctl", "--failed", "--plain", "--no-legend")
			return fmt.Errorf("units of %s failed at boot: %s", n.Name, strings.TrimSpace(failed.Stdout))
		case state != "":
			last = "it is " + state
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("waiting until %s runs: %w; last: %s", n.Name, err, last)
		}
	}
}

// On tells whether the node runs.
func (n *Node) On() bool { return n.current() != nil }
