package sim

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/netport"
)

// errKilled is what a dead process finds wherever it reaches outside.
var errKilled = errors.New("the process was killed (simulation)")

// process is one life of an agent, a coordinator or a boot fence. All that it does
// to the world goes through it, so that a dead one does nothing more and a frozen
// one waits.
type process struct {
	w    *World
	name string // as "n1/agent"
	host string
	life int
	stream

	ctx  context.Context
	kill context.CancelFunc

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	// thaw is closed when the process goes on; nil while it is not frozen.
	thaw chan struct{}
	// asked counts what is drawn, by what it is for.
	asked map[string]int
}

func (w *World) process(ctx context.Context, name, host string) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lives[name]++
	p := &process{w: w, name: name, host: host, life: w.lives[name], conns: map[net.Conn]struct{}{}, asked: map[string]int{}}
	p.stream.r = w.chance.source("process", name, strconv.Itoa(p.life))
	p.ctx, p.kill = context.WithCancel(ctx)
	context.AfterFunc(p.ctx, p.hangUp)
	w.processes[name] = p
	return p
}

// hangUp is what the kernel does for a process that has ended.
func (p *process) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

func (p *process) dead() bool { return p.ctx.Err() != nil }

// gate holds a frozen process and ends a dead one.
func (p *process) gate() error {
	for {
		p.mu.Lock()
		own := p.thaw
		p.mu.Unlock()
		host := p.w.frozen(p.host)
		switch {
		case p.dead():
			return errKilled
		case own == nil && host == nil:
			return nil
		}
		wait := own
		if wait == nil {
			wait = host
		}
		select {
		case <-wait:
		case <-p.ctx.Done():
		}
	}
}

func (p *process) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thaw == nil {
		p.thaw = make(chan struct{})
	}
}

func (p *process) goOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thaw != nil {
		close(p.thaw)
		p.thaw = nil
	}
}

// hook is asked before and after each effect: a crash can come here.
func (p *process) hook(_ context.Context, l effect.Label, at effect.Point) error {
	if err := p.gate(); err != nil {
		return err
	}
	p.w.reached(p, l, at)
	return p.gate()
}

// count numbers what a process does, by what it is.
func (p *process) count(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[what]++
	return p.asked[what]
}

// jitter is drawn by what it is for, since two waits can begin in one instant.
func (p *process) jitter(what string, most time.Duration) time.Duration {
	n := strconv.Itoa(p.count("jitter " + what))
	return p.w.chance.between(0, most, p.name, strconv.Itoa(p.life), "jitter", what, n)
}

// DialContext connects over the modelled network.
func (p *process) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := p.gate(); err != nil {
		return nil, err
	}
	// A dial ends with its process: go-redis waits for one without any bound.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	c, err := p.w.redis.DialContext(ctx, p.host, network, addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		_ = c.Close()
		return nil, errKilled
	}
	p.conns[c] = struct{}{}
	return &processConn{Conn: c, p: p}, nil
}

// processConn is a connection of a process.
type processConn struct {
	net.Conn
	p *process
}

func (c *processConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if dead := c.p.gate(); dead != nil {
		return 0, dead
	}
	return n, err
}

func (c *processConn) Write(b []byte) (int, error) {
	if err := c.p.gate(); err != nil {
		return 0, err
	}
	c.p.w.sent(c.p, b)
	return c.Conn.Write(b)
}

func (c *processConn) Close() error {
	c.p.mu.Lock()
	delete(c.p.conns, c.Conn)
	c.p.mu.Unlock()
	return c.Conn.Close()
}

// Local: a host has one address.
func (p *process) Local(host netip.Addr) error {
	if host.Unmap().String() != p.host {
		return syscall.EADDRNOTAVAIL
	}
	return nil
}

// Owner tells of an instance that systemd runs.
func (p *process) Owner(at netip.AddrPort) (netport.Process, bool) { return p.w.owner(at) }

// Listen takes an address for the role checks, which nobody makes here.
func (p *process) Listen(_ context.Context, _, addr string) (net.Listener, error) {
	if err := p.gate(); err != nil {
		return nil, err
	}
	if !p.w.bind(addr, p) {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}
	}
	l := &listener{p: p, addr: addr, closed: make(chan struct{})}
	context.AfterFunc(p.ctx, func() { _ = l.Close() })
	return l, nil
}

// listener is an address that nobody connects to.
type listener struct {
	p      *process
	addr   string
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) { <-l.closed; return nil, net.ErrClosed }
func (l *listener) Addr() net.Addr            { return &net.TCPAddr{} }
func (l *listener) Close() error {
	l.once.Do(func() { l.p.w.unbind(l.addr, l.p); close(l.closed) })
	return nil
}
