package machine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// maxNodes keeps below the kernel's limit of inotify instances (128 as a rule):
// each node's systemd takes several.
const maxNodes = 15

// Options say how a lab is made. The zero value is a lab of bookworm nodes.
type Options struct {
	// Dir is where labs keep their folders; empty means "machines" in redfleet's
	// cache folder. It must be on a file system that overlays can be put on, so
	// not on an overlay itself.
	Dir string
	// Suite is the Debian suite of the nodes, bookworm where it is empty.
	Suite string
	// Engines are those that the nodes have installed, the suite's own where it is
	// empty.
	Engines Engines
	// Packages are put into the base image besides the usual ones.
	Packages []string
	// Consul is the binary for the nodes; empty means the one of .ci/consul.
	Consul string
	// ConsulServers is how many of the first nodes are Consul's servers, 3 where
	// it is 0.
	ConsulServers int
	// Bare is a lab without nodes: a network, a folder, and the care that nothing is
	// left of what Lab.Run does there. No base image is made; Create refuses.
	Bare bool
	// Log gets what goes on; nil means nowhere.
	Log logrus.FieldLogger
}

// Lab is a network with nodes. Its methods may be called at the same time.
type Lab struct {
	// ID is unique on this host: a lab's cgroups, machine names and folder bear it.
	ID string

	options Options
	log     logrus.FieldLogger
	dir     string // of this lab alone
	base    string
	unlock  func()
	closed  context.Context // its end ends every command that runs in the lab
	close   context.CancelCauseFunc

	mu    sync.Mutex
	nodes []*Node
	taken int // addresses given out
	cuts  cuts
}

// New makes a lab without nodes, and the base image where it is not cached yet
// (about a minute). It first removes what labs in the same folder left whose
// owner has ended. Close must follow, unless there is an error.
func New(ctx context.Context, o Options) (*Lab, error) {
	if err := checkHost(); err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	if err := o.fill(ctx, cache); err != nil {
		return nil, err
	}
	image := ""
	if !o.Bare {
		if image, err = base(ctx, cache, newRecipe(o), o.Log); err != nil {
			return nil, err
		}
	}
	l := &Lab{options: o, log: o.Log, base: image}
	l.closed, l.close = context.WithCancelCause(context.Background())
	if err := l.claim(ctx); err != nil {
		return nil, err
	}
	if err := l.makeNetwork(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the lab's network: %w", err), l.Close())
	}
	return l, nil
}

// Prepare builds the base image of labs with these options where it is not cached
// yet, and returns its folder. New does so itself; this is for who has time now.
func Prepare(ctx context.Context, o Options) (string, error) {
	if err := checkHost(); err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if err := o.fill(ctx, cache); err != nil {
		return "", err
	}
	return base(ctx, cache, newRecipe(o), o.Log)
}

func (o *Options) fill(ctx context.Context, cache string) error {
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetLevel(logrus.PanicLevel)
		o.Log = quiet
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(cache, "machines")
	}
	if o.Suite == "" {
		o.Suite = "bookworm"
	}
	if o.ConsulServers == 0 {
		o.ConsulServers = 3
	}
	if o.Consul == "" && !o.Bare {
		binary, err := ConsulBinary(ctx)
		if err != nil {
			return err
		}
		o.Consul = binary
	}
	return nil
}

// cacheDir is where what is made once is kept: $XDG_CACHE_HOME/redfleet or
// ~/.cache/redfleet.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the base image: %w; set HOME or XDG_CACHE_HOME", err)
	}
	return filepath.Join(dir, "redfleet"), nil
}

// claim makes the lab's folder and takes its lock, by which others see that its
// owner lives. Labs without an owner are removed on the way.
func (l *Lab) claim(ctx context.Context) error {
	if err := os.MkdirAll(l.options.Dir, 0o700); err != nil {
		return fmt.Errorf("the folder of labs: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(l.options.Dir, ".lock"))
	if err != nil {
		return fmt.Errorf("waiting for another run's lock in %s: %w", l.options.Dir, err)
	}
	defer unlock()
	if err := sweep(l.options.Dir, l.log); err != nil {
		return err
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	l.ID = "rf" + hex.EncodeToString(random[:])
	l.dir = filepath.Join(l.options.Dir, l.ID)
	if err := os.Mkdir(l.dir, 0o700); err != nil {
		return fmt.Errorf("the lab's folder: %w", err)
	}
	if l.unlock, err = lock(ctx, filepath.Join(l.dir, "lock")); err != nil {
		return errors.Join(fmt.Errorf("the lab's lock: %w", err), os.RemoveAll(l.dir))
	}
	// Whose lab it is, for Leftovers of other runs.
	if err := os.WriteFile(filepath.Join(l.dir, "lock"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		l.unlock()
		return errors.Join(fmt.Errorf("the lab's lock: %w", err), os.RemoveAll(l.dir))
	}
	return nil
}

// Dir is the lab's own folder, for a test's files too; Close removes it. Only its
// owner can enter it.
func (l *Lab) Dir() string { return l.dir }

// Close removes all nodes, the network and the folder, whatever state they are
// in. It waits until that has happened, at most about half a minute, and may be
// called twice. Commands that still run in the lab end with an error.
func (l *Lab) Close() error {
	l.close(errors.New("the lab was closed"))
	l.mu.Lock()
	nodes := slices.Clone(l.nodes)
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { errs[i] = n.Destroy(ctx) })
	}
	all.Wait()
	// What is said above about each node is only of interest where this fails too.
	if err := remove(l.dir); err != nil {
		return fmt.Errorf("removing lab %s: %w", l.ID, errors.Join(append(errs, err)...))
	}
	l.unlock()
	return nil
}

// nodeName fits into a network link's name (15 characters) and a host name.
var nodeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,11}$`)

// add gives a node its place in the lab and its address.
func (l *Lab) add(name string) (*Node, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed.Err() != nil:
		return nil, context.Cause(l.closed)
	case l.options.Bare:
		return nil, errors.New("a bare lab has no nodes: make one without Options.Bare")
	case !nodeName.MatchString(name) || name == bridge || name == "lo":
		return nil, fmt.Errorf("a node cannot be named %q: take up to 12 of a-z, 0-9 and -, a letter first, and neither lo nor %s", name, bridge)
	case slices.ContainsFunc(l.nodes, func(n *Node) bool { return n.Name == name }):
		return nil, fmt.Errorf("there is a node %s already", name)
	case len(l.nodes) >= maxNodes:
		return nil, fmt.Errorf("a lab has at most %d nodes (the kernel's inotify instances end there): destroy one first", maxNodes)
	case l.taken >= 200:
		return nil, errors.New("the lab has given out all its addresses; make a new lab")
	}
	l.taken++
	n := &Node{
		Name: name, Address: address(l.taken), lab: l, number: l.taken,
		dir: filepath.Join(l.dir, "nodes", name),
	}
	l.nodes = append(l.nodes, n)
	return n, nil
}

func (l *Lab) forget(n *Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes = slices.DeleteFunc(l.nodes, func(other *Node) bool { return other == n })
}

// address is the one of the lab's node with this number, from 1.
func address(number int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + number)})
}
