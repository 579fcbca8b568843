package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/netport"
	"github.com/redfleet/redfleet/internal/redismodel"
	"github.com/redfleet/redfleet/internal/secret"
)

// fleetName is that of the one fleet.
const fleetName = "sim"

// World is one run.
type World struct {
	chance   chance
	schedule Schedule
	dir      string
	keyFile  string
	key      secret.Key
	began    time.Time

	redis   *redismodel.World
	consul  *consulModel
	judge   *judge
	cover   *Coverage
	systemd map[string]*systemd // by host
	nodes   []*node
	clients *clients
	roster  *roster

	mu        sync.Mutex
	lives     map[string]int
	processes map[string]*process
	hosts     map[string]*host
	bound     map[string]*process
	hash      uint64
	lines     []string
	keepTrace bool
	steps     int
	labels    map[labelAt]int
	armed     []*armed
	cuts      map[string]int
	slow      atomic.Int32
	failures  []string
	// overtaken: an operator has mended a failover that another one overtook;
	// failovers says which were.
	overtaken atomic.Bool
	failovers failovers
	// unannounced are the servers that were promoted without the others' knowledge.
	unannounced unannounced
	// promoted: an operator has let a replica be promoted that was left behind.
	promoted bool
	// restarted: an operator has restarted a sentinel that waited for whom it promoted.
	restarted bool
	// resetAt is when an operator has reset a sentinel by hand.
	resetAt time.Duration
	// flushed are the nodes on which an operator has taken redfleet's probe away.
	flushed []string
	waits   sync.WaitGroup
}

// labelAt is a point of a label.
type labelAt struct {
	label effect.Label
	at    effect.Point
}

// host is what happens to one machine.
type host struct {
	off  bool
	thaw chan struct{}
	boot int
	// booted is when it was last powered on.
	booted  time.Time
	consul  consulMode
	changed chan struct{}
}

// node is one machine of the fleet with its agent.
type node struct {
	name, host string
	dir        string
	process    bool // plain processes instead of units of systemd
	twin       bool // a second machine under the name
}

func (w *World) now() time.Duration { return time.Since(w.began) }

// trace notes what happened: in a sum that does not depend on the order of what
// happens in one instant, and as text where somebody wants to read it.
func (w *World) trace(who, format string, args ...any) {
	line := fmt.Sprintf("%12.6f %-14s %s", w.now().Seconds(), who, strings.ReplaceAll(fmt.Sprintf(format, args...), w.dir, ""))
	h := fnv.New64a()
	_, _ = h.Write([]byte(line))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hash += h.Sum64()
	w.steps++
	if w.keepTrace {
		w.lines = append(w.lines, line)
	}
}

// note keeps a line for readers alone.
func (w *World) note(who, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keepTrace {
		w.lines = append(w.lines, fmt.Sprintf("%12.6f %-14s   %s", w.now().Seconds(), who, strings.ReplaceAll(text, w.dir, "")))
	}
}

// fail notes a broken promise.
func (w *World) fail(promise, format string, args ...any) {
	text := promise + ": " + fmt.Sprintf(format, args...)
	w.trace("judge", "VIOLATION %s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.failures, text) && len(w.failures) < 10 {
		w.failures = append(w.failures, text)
	}
}

func (w *World) hostOf(name string) *host {
	h := w.hosts[name]
	if h == nil {
		h = &host{changed: make(chan struct{})}
		w.hosts[name] = h
	}
	return h
}

// frozen is a channel that is closed when the host goes on; nil while it runs.
func (w *World) frozen(name string) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hostOf(name).thaw
}

func (w *World) consulPath(name string) (consulMode, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hostOf(name)
	return h.consul, h.changed
}

func (w *World) setConsul(name string, m consulMode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hostOf(name)
	h.consul = m
	close(h.changed)
	h.changed = make(chan struct{})
}

func (w *World) isOff(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hostOf(name).off
}

func (w *World) bind(addr string, p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.bound[addr]; other != nil && other != p && !other.dead() {
		return false
	}
	w.bound[addr] = p
	return true
}

func (w *World) unbind(addr string, p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bound[addr] == p {
		delete(w.bound, addr)
	}
}

// owner finds the instance that systemd runs at an address.
func (w *World) owner(at netip.AddrPort) (netport.Process, bool) {
	s := w.systemd[at.Addr().Unmap().String()]
	if s == nil {
		return netport.Process{}, false
	}
	return s.owner(int(at.Port()))
}

// running are the living processes whose name has this suffix.
func (w *World) running(suffix string) []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*process
	for _, p := range w.processes {
		if strings.HasSuffix(p.name, suffix) && !p.dead() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *process) int { return strings.Compare(a.name, b.name) })
	return out
}

// reached is told of each point of each label; a fault of the schedule can wait for
// one.
func (w *World) reached(p *process, l effect.Label, at effect.Point) {
	w.mu.Lock()
	w.labels[labelAt{l, at}]++
	var hit []*armed
	for _, a := range w.armed {
		if a.event.Label == l && a.event.Point == at && !a.done {
			if a.seen++; a.seen >= a.event.Nth {
				a.done = true
				hit = append(hit, a)
			}
		}
	}
	w.mu.Unlock()
	w.trace(p.name, "label %s %s", at, l)
	w.judge.label(p, l, at)
	for _, a := range hit {
		w.carryOut(a.event, p)
	}
}

// armed is an event that waits for a label.
type armed struct {
	event Event
	seen  int
	done  bool
}

// keep runs a daemon again and again, as systemd does with Restart=always.
func (w *World) keep(ctx context.Context, name, at string, run func(ctx context.Context, p *process) error) {
	for life := 1; ctx.Err() == nil; life++ {
		for w.isOff(at) && ctx.Err() == nil {
			pause(ctx, w.chance.between(50*time.Millisecond, 150*time.Millisecond, "off", name, fmt.Sprint(life)))
		}
		p := w.process(ctx, name, at)
		w.trace(name, "starts (life %d)", p.life)
		err := run(p.ctx, p)
		killed := p.dead()
		p.kill()
		if err != nil && !killed {
			w.trace(name, "ends: %v", err)
			w.judge.ended(p, err)
		}
		pause(ctx, w.chance.between(time.Second, 1100*time.Millisecond, "again", name, fmt.Sprint(life)))
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// wipe takes all that is below a folder, as a disk does that was replaced.
func wipe(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// dataDir and stateDir of a node.
func (n *node) dataDir() string  { return filepath.Join(n.dir, "data") }
func (n *node) stateDir() string { return filepath.Join(n.dir, "state") }

func (n *node) folder(id fleet.InstanceID) string { return filepath.Join(n.dataDir(), string(id)) }
