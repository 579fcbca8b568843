package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// bridge is the switch that all nodes hang on, in the lab's own namespace. It has
// an address too, so that a test can talk with the nodes (Lab.Run, Lab.Dial).
const (
	bridge        = "br0"
	bridgeAddress = "198.51.100.254"
)

func (l *Lab) network() string { return filepath.Join(l.dir, "net") }

// makeNetwork makes the namespace with the bridge. It is held by a file in the
// lab's folder rather than in /run/netns: nothing of it is seen elsewhere.
func (l *Lab) makeNetwork(ctx context.Context) error {
	if err := l.newNamespace(ctx, l.network()); err != nil {
		return err
	}
	return l.ip(ctx, l.network(),
		"link set lo up",
		"link add "+bridge+" type bridge stp_state 0 forward_delay 0",
		"addr add "+bridgeAddress+"/24 dev "+bridge,
		"link set "+bridge+" up")
}

func (l *Lab) newNamespace(ctx context.Context, path string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return must(ctx, l.ID, nil, "unshare", "--net="+path, "true")
}

// ip does several things in a network namespace at once.
func (l *Lab) ip(ctx context.Context, namespace string, lines ...string) error {
	err := must(ctx, l.ID, strings.NewReader(strings.Join(lines, "\n")+"\n"), "nsenter", "--net="+namespace, "ip", "-batch", "-")
	if err != nil {
		return fmt.Errorf("%w (of: %s)", err, strings.Join(lines, "; "))
	}
	return nil
}

// plug gives the node a network namespace and a cable to the bridge. They are made
// at each boot, since a machine that lost its power has no connections left.
func (n *Node) plug(ctx context.Context) error {
	if err := n.lab.newNamespace(ctx, n.network()); err != nil {
		return err
	}
	err := n.lab.ip(ctx, n.lab.network(),
		fmt.Sprintf("link add %s type veth peer name host0 netns %s", n.Name, n.network()),
		fmt.Sprintf("link set %s master %s up", n.Name, bridge))
	if err != nil {
		return err
	}
	if err := n.applyLine(ctx); err != nil {
		return err
	}
	return n.lab.ip(ctx, n.network(), "link set lo up",
		"link set host0 address "+n.hardwareAddress(),
		fmt.Sprintf("addr add %s/24 dev host0", n.Address),
		"link set host0 up",
		"route add default via "+bridgeAddress)
}

// hardwareAddress is the same at each boot, as that of a network card.
func (n *Node) hardwareAddress() string { return fmt.Sprintf("02:00:c6:33:64:%02x", 10+n.number) }

// silence pulls the cable: no packet gets out any more, not even those by which
// the kernel would tell peers that the node's connections end.
func (n *Node) silence(ctx context.Context) error {
	return n.lab.ip(ctx, n.lab.network(), "link set "+n.Name+" down")
}

// unplug removes cable and namespace of a node that does not run; it may be
// called twice.
func (n *Node) unplug(ctx context.Context) error {
	if _, err := os.Stat(n.network()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := n.endRelay(ctx); err != nil {
		return fmt.Errorf("unplugging %s: %w", n.Name, err)
	}
	// The namespace ends some time after its last user; the link must be gone now.
	r, err := capture(ctx, n.lab.ID, nil, "nsenter", "--net="+n.lab.network(), "ip", "link", "del", n.Name)
	if err == nil && r.Code != 0 && !strings.Contains(r.Stderr, "Cannot find device") {
		err = errors.New(strings.TrimSpace(r.Stderr))
	}
	if err != nil {
		return fmt.Errorf("unplugging %s: %w", n.Name, err)
	}
	if err := unix.Unmount(n.network(), 0); err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: not mounted
		return fmt.Errorf("unmounting %s: %w", n.network(), err)
	}
	return os.Remove(n.network())
}

// Run runs a command of the host in the lab's network, as a machine beside the
// nodes with the address 198.51.100.254. See Node.Run for the result. Daemons that
// it leaves behind end with the lab at the latest, whatever they made of their
// environment: they are in a cgroup of the lab's.
func (l *Lab) Run(ctx context.Context, argv ...string) (Result, error) {
	ctx, cancel := l.context(ctx)
	defer cancel()
	groups := cgroups(l.ID + "/" + runGroup)
	for _, dir := range groups {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return Result{}, fmt.Errorf("a cgroup for %s: %w", argv[0], err)
		}
	}
	inside := []string{"--", "nsenter", "--net=" + l.network(), "--"}
	return capture(ctx, l.ID, bytes.NewReader(nil),
		slices.Concat([]string{"sh", "-ec", launch, "launch"}, groups, inside, argv)...)
}

// runGroup is the cgroup of Run's commands; no node can have this name.
const runGroup = "_run"

// context ends with ctx, and when the lab is closed.
func (l *Lab) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.closed, func() { cancel(context.Cause(l.closed)) })
	return ctx, func() { stop(); cancel(nil) }
}

// Dial connects to a node from within the lab's network; the address must be
// numeric. It fits http.Transport.DialContext and Redis clients. A connection
// stays in the lab's network and keeps it alive: close it before the lab.
func (l *Lab) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if _, err := net.ResolveTCPAddr(network, address); err != nil {
		return nil, err
	}
	err = l.inNetwork(func() error {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// inNetwork does something on a thread that is in the lab's network: a socket
// belongs to the namespace of the thread that makes it.
func (l *Lab) inNetwork(do func() error) error {
	lan, err := os.Open(l.network())
	if err != nil {
		return fmt.Errorf("the lab's network: %w", err)
	}
	defer func() { _ = lan.Close() }()
	// A thread that cannot come back stays locked, and ends with this goroutine.
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = home.Close() }()
	if err := unix.Setns(int(lan.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering the lab's network: %w", err)
	}
	err = do()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, fmt.Errorf("leaving the lab's network: %w", back))
	}
	runtime.UnlockOSThread()
	return err
}
