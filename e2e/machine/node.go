package machine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Node is one machine. Its methods may be called at the same time; what starts or
// stops it waits for its turn.
type Node struct {
	Name    string
	Address netip.Addr

	lab    *Lab
	number int
	dir    string
	disks  []disk
	// netAdmin: see CreateOptions.NetAdmin.
	netAdmin bool

	mu      sync.Mutex // one start or stop at a time; it guards line and relay too
	line    Line       // what a running node has, and gets at its next boot
	relay   *relay     // nil while the line is undisturbed
	stateMu sync.Mutex
	running *nspawn // nil while it is off
	runs    int     // commands so far
}

// CreateOptions say what a node has from the beginning.
type CreateOptions struct {
	// Files are written before the first boot, by absolute path, with mode 0644 and
	// owner root. Node.PutFile does more.
	Files map[string]string
	// Enable are units that start at boot: consul.service, say.
	Enable []string
	// Consul makes the node a server or a client of the lab's Consul, which starts
	// at boot.
	Consul ConsulRole
	// NetAdmin lets the node's root change the node's own network, which is its alone,
	// as a real machine's root can: nftables, say. nspawn would not.
	NetAdmin bool
	// SmallDisks are folders with a file system of their own and that many bytes,
	// so that FillDisk can fill them; in the host's memory.
	SmallDisks map[string]int64
	// BlockDisks are the same on an ext4 of their own, which BreakDisk can make
	// read-only.
	BlockDisks map[string]int64
}

// Create makes a node, which is off. Its addresses go up from 198.51.100.11, in the
// order of creation. Create all nodes before the first boots where they are to
// know each other by name: a node's /etc/hosts is written when it boots.
func (l *Lab) Create(ctx context.Context, name string, o CreateOptions) (*Node, error) {
	n, err := l.add(name)
	if err != nil {
		return nil, err
	}
	if err := n.make(o); err != nil {
		err = fmt.Errorf("making node %s: %w", name, err)
		return nil, errors.Join(err, n.Destroy(context.WithoutCancel(ctx)))
	}
	return n, nil
}

func (n *Node) make(o CreateOptions) error {
	for _, dir := range []string{n.upper(), n.root(), n.work()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	n.netAdmin = o.NetAdmin
	if err := n.addDisks(o.SmallDisks, false); err != nil {
		return err
	}
	if err := n.addDisks(o.BlockDisks, true); err != nil {
		return err
	}
	files := map[string]string{
		"/etc/hostname":    n.Name + "\n",
		"/etc/resolv.conf": "nameserver 127.0.0.1\n",
	}
	enable := o.Enable
	if o.Consul != NoConsul {
		files[consulFile] = n.consulConfig(o.Consul)
		enable = append(enable, "consul.service")
	}
	for path, text := range o.Files {
		files[path] = text
	}
	for path, text := range files {
		if err := n.writeUpper(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, unit := range enable {
		if err := n.enable(unit); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) upper() string   { return filepath.Join(n.dir, "upper") }
func (n *Node) work() string    { return filepath.Join(n.dir, "work") }
func (n *Node) root() string    { return filepath.Join(n.dir, "root") }
func (n *Node) network() string { return filepath.Join(n.dir, "net") }
func (n *Node) console() string { return filepath.Join(n.dir, "console.log") }
func (n *Node) cgroup() string  { return n.lab.ID + "/" + n.Name }

// machine is the node's name for nspawn, unique on the host.
func (n *Node) machine() string { return n.lab.ID + "-" + n.Name }

// writeUpper writes a file of a node that is off.
func (n *Node) writeUpper(path string, content []byte, mode os.FileMode) error {
	if err := n.makeParents(path); err != nil {
		return err
	}
	to := filepath.Join(n.upper(), path)
	if err := os.WriteFile(to, content, mode); err != nil {
		return err
	}
	return os.Chmod(to, mode)
}

// makeParents makes the folders above path as they are in the base image: a folder
// of the overlay hides the owner and the mode of the one below it.
func (n *Node) makeParents(path string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	at := "/"
	for part := range strings.SplitSeq(strings.Trim(filepath.Dir(path), "/"), "/") {
		at = filepath.Join(at, part)
		if err := copyDir(filepath.Join(n.lab.base, at), filepath.Join(n.upper(), at)); err != nil {
			return fmt.Errorf("a folder above %s: %w", path, err)
		}
	}
	return nil
}

func checkPath(path string) error {
	if !filepath.IsAbs(path) || path != filepath.Clean(path) {
		return fmt.Errorf("%q is no path for a node: give it from / on, without . and ..", path)
	}
	return nil
}

// enable does what `systemctl enable` does for a unit wanted by multi-user.target.
func (n *Node) enable(unit string) error {
	wants := filepath.Join("/etc/systemd/system/multi-user.target.wants", unit)
	if err := n.makeParents(wants); err != nil {
		return err
	}
	for _, dir := range []string{"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
		for _, layer := range []string{n.upper(), n.lab.base} {
			if _, err := os.Stat(filepath.Join(layer, dir, unit)); err == nil {
				return os.Symlink(filepath.Join(dir, unit), filepath.Join(n.upper(), wants))
			}
		}
	}
	return fmt.Errorf("there is no unit %s to enable", unit)
}

// Destroy ends the node at once and removes all of it. Its address is not given
// out again.
func (n *Node) Destroy(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.stop(ctx); err != nil {
		return fmt.Errorf("destroying %s: %w", n.Name, err)
	}
	if err := errors.Join(unmountBelow(n.dir), removeNspawn(n.machine())); err != nil {
		return fmt.Errorf("destroying %s: %w", n.Name, err)
	}
	for _, d := range n.disks {
		if d.image != nil {
			_ = d.image.Close() // a second Destroy may come
		}
	}
	if err := os.RemoveAll(n.dir); err != nil {
		return fmt.Errorf("destroying %s: %w", n.Name, err)
	}
	n.lab.forget(n)
	return nil
}
