package redismodel

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Options are what a World is made of.
type Options struct {
	// Seed is where all chance comes from.
	Seed uint64
	// Delay is how long one message takes from host to host, at the given draw of
	// chance in [0,1). nil: 0.1 to 0.3 ms.
	Delay func(from, to string, chance float64) time.Duration
	// LoadTime is how long a server answers LOADING at its start for a dataset of
	// that many keys. nil: not at all.
	LoadTime func(addr fleet.Addr, keys int) time.Duration
	// Trace is told what instances do, one line each; nil for nobody.
	Trace func(at time.Time, who, what string)
}

// World is a simulated network with its hosts, processes and connections. All
// methods may be called from several goroutines.
type World struct {
	mu    sync.Mutex
	opt   Options
	queue queue
	seq   int64
	wake  chan struct{}

	hosts map[string]*host
	procs []*Process
	bound map[fleet.Addr]*Process
	paths map[way]*pathState
	disk  disk
	ids   int64
	pids  int
	chaos map[string]*rand.Rand
}

// host is one machine. A host that nobody named is on and not frozen.
type host struct {
	off, frozen bool
	// boots tells connections from before a power loss.
	boots int
}

type way struct{ from, to string }

// pathState is one direction between two hosts.
type pathState struct{ cut bool }

// New makes an empty World. Nothing happens in it until Run is called.
func New(opt Options) *World {
	if opt.Delay == nil {
		opt.Delay = func(_, _ string, chance float64) time.Duration {
			return 100*time.Microsecond + time.Duration(chance*float64(200*time.Microsecond))
		}
	}
	return &World{
		opt: opt, wake: make(chan struct{}, 1),
		hosts: map[string]*host{}, bound: map[fleet.Addr]*Process{}, paths: map[way]*pathState{},
		disk: newDisk(), chaos: map[string]*rand.Rand{},
	}
}

// Run lets time pass in the World until ctx ends. It must run in the same bubble
// as everything else that touches the World.
func (w *World) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if wait := w.step(); wait >= 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.wake:
		}
	}
}

// step runs what is due and tells how long to wait for the next; below zero for
// ever.
func (w *World) step() time.Duration {
	for {
		w.mu.Lock()
		if len(w.queue) == 0 {
			w.mu.Unlock()
			return -1
		}
		if wait := time.Until(w.queue[0].at); wait > 0 {
			w.mu.Unlock()
			return wait
		}
		e := heap.Pop(&w.queue).(*event)
		e.run()
		w.mu.Unlock()
	}
}

// at runs f at a time; the caller holds the lock, and so does f when it runs.
func (w *World) at(when time.Time, f func()) {
	w.seq++
	heap.Push(&w.queue, &event{at: when, seq: w.seq, run: f})
	if w.queue[0].seq == w.seq {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (w *World) after(d time.Duration, f func()) { w.at(time.Now().Add(d), f) }

// source is a stream of chance of its own for each name, so that what one
// instance draws does not move what another one gets.
func (w *World) source(name string) *rand.Rand {
	if r, ok := w.chaos[name]; ok {
		return r
	}
	r := rand.New(rand.NewPCG(w.opt.Seed, hashOfName([]byte(name))))
	w.chaos[name] = r
	return r
}

func (w *World) host(name string) *host {
	h, ok := w.hosts[name]
	if !ok {
		h = &host{}
		w.hosts[name] = h
	}
	return h
}

func (w *World) path(from, to string) *pathState {
	k := way{from, to}
	p, ok := w.paths[k]
	if !ok {
		p = &pathState{}
		w.paths[k] = p
	}
	return p
}

// passes tells whether message n of a connection to a port would arrive if it
// were sent now, and how long it takes. Its chance follows from what it is and
// when: programs that send at one moment get the same whoever comes first.
func (w *World) passes(from, to string, port, n int) (time.Duration, bool) {
	p := w.path(from, to)
	delay := w.opt.Delay(from, to, w.draw(from, to, port, n))
	a, b := w.host(from), w.host(to)
	return delay, !p.cut && !a.off && !a.frozen && !b.off && !b.frozen
}

// draw is a number in [0,1) that follows from a message.
func (w *World) draw(from, to string, port, n int) float64 {
	var space [96]byte
	what := append(append(append(space[:0], from...), ' '), to...)
	for _, k := range [...]int64{int64(port), int64(n), time.Now().UnixNano()} {
		what = strconv.AppendInt(append(what, ' '), k, 10)
	}
	var source rand.PCG
	source.Seed(w.opt.Seed, hashOfName(what))
	return float64(source.Uint64()<<11>>11) / (1 << 53) // as rand.Float64 does
}

// hashOfName is FNV-1a.
func hashOfName(name []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range name {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

func (w *World) trace(who, format string, args ...any) {
	if w.opt.Trace != nil {
		w.opt.Trace(time.Now(), who, fmt.Sprintf(format, args...))
	}
}

// event is something that happens at a time; those of one time happen in the
// order in which they were asked for.
type event struct {
	at  time.Time
	seq int64
	run func()
}

type queue []*event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].at.Equal(q[j].at) {
		return q[i].seq < q[j].seq
	}
	return q[i].at.Before(q[j].at)
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}
