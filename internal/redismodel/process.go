package redismodel

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Program is what to start: redis-server with a file, or redis-sentinel.
type Program struct {
	// Conf is the configuration file.
	Conf     string
	Sentinel bool
	// Exited is told once of the process's end, without the World's lock held and
	// from Run's goroutine or that of the call that ended it; nil for nobody.
	Exited func(Exit)
}

// Exit is how a process ended: by a status, or by a signal where Signal is not 0.
type Exit struct {
	Status int
	Signal syscall.Signal
	// Reason is what the log of the program would say last.
	Reason string
}

// Process is one running program.
type Process struct {
	w    *World
	id   int
	prog Program
	host string
	addr fleet.Addr
	name string

	body             body
	running, stopped bool
	exit             Exit
	done             chan struct{}
	// waiting is what happened to a process that was frozen.
	waiting []func()
	conns   []*conn
	chance  *rand.Rand
}

// body is what a program does. All of it is called with the World's lock held.
type body interface {
	// boot begins; what it returns is why the program ends at once.
	boot() error
	// accepted: somebody has connected; opened: a dial of our own was answered.
	accepted(*conn)
	opened(*conn)
	// received: one command (array) or reply has come.
	received(*conn, message)
	// closed: the other end is gone, or a dial has failed.
	closed(*conn)
	// terminate is SIGTERM.
	terminate()
}

// Start runs a program. The process is listening when Start returns; what ends a
// real one at its start (a file that it does not accept, an address in use) ends
// it here too, and Start returns the reason.
func (w *World) Start(prog Program) (*Process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	conf, err := readConf(&w.disk, prog.Conf)
	if err != nil {
		return nil, err
	}
	w.pids++
	p := &Process{
		w: w, id: w.pids, prog: prog, addr: conf.addr(), host: conf.addr().Host,
		running: true, done: make(chan struct{}),
	}
	p.name = p.addr.String()
	p.chance = w.source(fmt.Sprintf("process %s %t", p.name, prog.Sentinel))
	switch h := w.host(p.host); {
	case h.off:
		return nil, fmt.Errorf("host %s is off", p.host)
	case w.bound[p.addr] != nil:
		return nil, fmt.Errorf("could not create server TCP listening socket %s: bind: Address already in use", p.addr)
	}
	if prog.Sentinel {
		p.body = newSentinel(p, conf)
	} else {
		p.body = newServer(p, conf)
	}
	if err := p.body.boot(); err != nil {
		return nil, err
	}
	w.procs = append(w.procs, p)
	w.bound[p.addr] = p
	return p, nil
}

// PID is a number of its own for each process of the World.
func (p *Process) PID() int { return p.id }

// Addr is where it listens.
func (p *Process) Addr() fleet.Addr { return p.addr }

// Done is closed when the process has ended; Exit then tells how.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit is how it ended; only after Done.
func (p *Process) Exit() Exit {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.exit
}

// Signal is kill(2) for SIGKILL, SIGTERM, SIGSTOP and SIGCONT; others do nothing.
// An ended process takes any.
func (p *Process) Signal(sig syscall.Signal) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if !p.running {
		return
	}
	switch sig {
	case syscall.SIGKILL:
		p.end(Exit{Signal: sig, Reason: "killed"})
	case syscall.SIGTERM:
		p.do(p.body.terminate)
	case syscall.SIGSTOP:
		p.stopped = true
	case syscall.SIGCONT:
		p.stopped = false
		p.resume()
	}
}

// do runs f now, or when the process is no longer frozen.
func (p *Process) do(f func()) {
	switch {
	case !p.running:
	case p.frozen() || len(p.waiting) > 0:
		p.waiting = append(p.waiting, f)
	default:
		f()
	}
}

func (p *Process) frozen() bool { return p.stopped || p.w.host(p.host).frozen }

func (p *Process) resume() {
	for len(p.waiting) > 0 && p.running && !p.frozen() {
		f := p.waiting[0]
		p.waiting = p.waiting[1:]
		f()
	}
}

// after runs f later, if the process still runs then.
func (p *Process) after(d time.Duration, f func()) {
	p.w.after(d, func() { p.do(f) })
}

// end closes everything and tells of it.
func (p *Process) end(e Exit) {
	if !p.running {
		return
	}
	p.w.trace(p.name, "ends: %s", e.Reason)
	for _, c := range p.conns {
		c.shut()
	}
	p.gone(e)
}

// lose is an end by power loss: nobody hears of it, and what was not synced goes.
func (p *Process) lose() {
	p.w.trace(p.name, "loses power")
	for _, c := range p.conns {
		c.vanish()
	}
	p.w.disk.lose(p)
	p.gone(Exit{Signal: syscall.SIGKILL, Reason: "power lost"})
}

func (p *Process) gone(e Exit) {
	p.running, p.exit, p.conns, p.waiting = false, e, nil, nil
	delete(p.w.bound, p.addr)
	p.w.forget(p)
	close(p.done)
	if p.prog.Exited != nil {
		go p.prog.Exited(e)
	}
}

func (w *World) forget(p *Process) {
	for i, other := range w.procs {
		if other == p {
			w.procs = append(w.procs[:i:i], w.procs[i+1:]...)
			return
		}
	}
}
