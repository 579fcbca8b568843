package redismodel

import (
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// message is what goes over a connection: a command or a reply, or a part of a
// replication stream.
type message any

// conn is one end of a connection. Each direction is in order. What is sent while
// the path is cut is sent again after 0.2 s, 0.4 s and so on up to 120 s, as
// Linux's TCP does.
type conn struct {
	w     *World
	id    int64
	owner *Process // nil for the end of a client
	front *front   // the end of a client
	host  string
	port  int
	boots int
	to    fleet.Addr // where a dial went
	// service is the port that the dial went to, on both ends; sent counts what
	// was put onto the path.
	service, sent int
	peer          *conn

	open, gone bool
	// out is what waits for a path; last is when the latest message arrives.
	out     []message
	last    time.Time
	backoff time.Duration

	// state is what the owner keeps for this connection.
	state any
}

// fin is the last message of a connection that was closed.
type fin struct{}

const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 120 * time.Second
	// synRetry is the first pause between two attempts to connect; it doubles.
	synRetry = time.Second
	synTries = 7
)

// dial connects a process to an address; body.opened or body.closed follows.
func (p *Process) dial(to fleet.Addr) *conn {
	c := p.w.dial(p.host, to)
	c.owner = p
	p.conns = append(p.conns, c)
	return c
}

func (w *World) dial(from string, to fleet.Addr) *conn {
	w.ids++
	c := &conn{w: w, id: w.ids, host: from, boots: w.host(from).boots, to: to, port: 32768 + int(w.ids%28000), service: to.Port}
	w.syn(c, 0)
	return c
}

// syn is one attempt to connect: both ways must be free, and somebody's kernel
// must answer, be it that nobody listens.
func (w *World) syn(c *conn, try int) {
	if c.gone {
		return
	}
	there, ok1 := w.passes(c.host, c.to.Host, c.service, -try)
	back, ok2 := w.passes(c.to.Host, c.host, c.service, -try)
	if !ok1 || !ok2 {
		if try < synTries {
			w.after(synRetry<<try, func() { w.syn(c, try+1) })
			return
		}
		w.after(0, func() { c.fails() })
		return
	}
	w.after(there, func() {
		if c.gone {
			return
		}
		target := w.bound[c.to]
		if target == nil {
			w.after(back, func() { c.fails() })
			return
		}
		w.ids++
		e := &conn{w: w, id: w.ids, owner: target, host: c.to.Host, port: c.to.Port, service: c.service,
			boots: w.host(c.to.Host).boots, peer: c, open: true, last: time.Now()}
		c.peer = e
		target.conns = append(target.conns, e)
		target.do(func() { target.body.accepted(e) })
		w.after(back, func() { c.opens() })
	})
}

func (c *conn) opens() {
	if c.gone {
		return
	}
	c.open = true
	c.last = time.Now()
	c.pump()
	if c.owner != nil {
		c.owner.do(func() {
			if !c.gone {
				c.owner.body.opened(c)
			}
		})
		return
	}
	c.front.opened()
}

// fails is a dial that came to nothing.
func (c *conn) fails() {
	if c.gone {
		return
	}
	c.drop()
	c.tell()
}

// tell the owner that the other end is gone.
func (c *conn) tell() {
	if c.owner != nil {
		c.owner.do(func() { c.owner.body.closed(c) })
		return
	}
	c.front.closed()
}

// drop forgets this end.
func (c *conn) drop() {
	c.gone, c.open, c.out = true, false, nil
	if c.owner == nil {
		return
	}
	for i, other := range c.owner.conns {
		if other == c {
			c.owner.conns = append(c.owner.conns[:i:i], c.owner.conns[i+1:]...)
			return
		}
	}
}

// send queues a message; on an end that is gone it is lost.
func (c *conn) send(m message) {
	if c.gone {
		return
	}
	c.out = append(c.out, m)
	if len(c.out) == 1 && c.backoff == 0 {
		c.pump()
	}
}

// pump puts what waits onto the path, or tries again later.
func (c *conn) pump() {
	if len(c.out) == 0 || c.peer == nil || c.boots != c.w.host(c.host).boots {
		return
	}
	c.sent++
	delay, ok := c.w.passes(c.host, c.peer.host, c.service, c.sent)
	if !ok {
		c.backoff = min(max(2*c.backoff, firstRetry), lastRetry)
		c.w.after(c.backoff, c.pump)
		return
	}
	c.backoff = 0
	if at := time.Now().Add(delay); at.After(c.last) {
		c.last = at
	}
	for _, m := range c.out {
		peer := c.peer
		c.w.at(c.last, func() { peer.arrive(m) })
	}
	c.out = nil
}

// arrive is a message at its end. A kernel that does not know the connection
// answers with a reset.
func (c *conn) arrive(m message) {
	switch {
	case c.boots != c.w.host(c.host).boots || c.gone:
		if _, last := m.(fin); !last && c.peer != nil && !c.peer.gone && !c.w.host(c.host).off {
			c.peer.reset()
		}
	case m == message(fin{}):
		c.drop()
		c.tell()
	case c.owner != nil:
		c.owner.do(func() {
			if !c.gone {
				c.owner.body.received(c, m)
			}
		})
	default:
		c.front.received(m)
	}
}

// reset comes back after the time that a message takes.
func (c *conn) reset() {
	delay, ok := c.w.passes(c.peer.host, c.host, c.service, -1)
	if !ok {
		return
	}
	c.w.after(delay, func() {
		if !c.gone {
			c.drop()
			c.tell()
		}
	})
}

// close ends the connection in order, and shut when the process ends: what was
// sent still arrives.
func (c *conn) close() {
	if c.gone {
		return
	}
	c.shut()
	c.drop()
}

// shut leaves sending to the kernel.
func (c *conn) shut() {
	if c.gone || c.peer == nil {
		c.gone = true
		return
	}
	rest := &conn{w: c.w, id: c.id, host: c.host, port: c.port, boots: c.boots, peer: c.peer,
		service: c.service, sent: c.sent, out: c.out, last: c.last, backoff: c.backoff}
	c.gone = true
	rest.out = append(rest.out, fin{})
	rest.pump()
}

// vanish ends it without a word.
func (c *conn) vanish() { c.gone, c.out = true, nil }

// remote is the address of the other end.
func (c *conn) remote() fleet.Addr {
	if c.peer == nil {
		return c.to
	}
	return fleet.Addr{Host: c.peer.host, Port: c.peer.port}
}
