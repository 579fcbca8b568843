package redismodel

import (
	"fmt"
	"strings"
	"time"
)

// link is a sentinel's two connections to an instance: one for commands, and one
// on which servers hand it hello messages.
type link struct {
	cc, pc       *conn
	disconnected bool
	pending      int
	reconnectAt  time.Time // of the last attempt
	ccSince      time.Time
	pcSince      time.Time
	pcHeard      time.Time
	// pingWaits is when the PING was sent that waits for a good answer; zero when
	// none does.
	pingWaits, lastPing, lastGood, lastPong time.Time
}

// newLink counts from its creation, as if an answer had come then (hazard S21).
func newLink(now time.Time) link {
	return link{disconnected: true, pingWaits: now, lastGood: now, lastPong: now}
}

// line is one connection's questions without an answer yet.
type line struct {
	of     *watched
	pubsub bool
	expect []func(value)
	hear   func(value)
}

func (l *line) answer(v value) {
	if len(l.expect) == 0 {
		if l.hear != nil {
			l.hear(v)
		}
		return
	}
	f := l.expect[0]
	l.expect = l.expect[1:]
	if !l.pubsub {
		l.of.pending--
	}
	if f != nil {
		f(v)
	}
}

// ask sends a command; f, where it is not nil, is called with the reply.
func (i *watched) ask(f func(value), args ...string) {
	i.cc.state.(*line).expect = append(i.cc.state.(*line).expect, f)
	i.pending++
	i.cc.send(args)
}

// broken: a connection has ended.
func (i *watched) broken(c *conn) {
	switch c {
	case i.cc:
		i.cc, i.pending = nil, 0
	case i.pc:
		i.pc = nil
	default:
		return
	}
	i.disconnected = true
}

// hang closes a connection from this side.
func (i *watched) hang(c *conn) {
	if c == nil {
		return
	}
	i.broken(c)
	c.close()
}

// reconnect makes what connections are missing, once a second at most.
func (s *sentinel) reconnect(i *watched) {
	now := time.Now()
	if !i.disconnected || i.addr.Port == 0 || now.Sub(i.reconnectAt) < pingPeriod {
		return
	}
	i.reconnectAt = now
	if i.cc == nil {
		i.cc = s.p.dial(i.addr)
		i.cc.state = &line{of: i}
		i.pending, i.ccSince = 0, now
		s.introduce(i, "cmd", func(args ...string) { i.ask(nil, args...) })
		s.ping(i)
	}
	if i.kind != rolePeer && i.pc == nil {
		i.pc = s.p.dial(i.addr)
		l := &line{of: i, pubsub: true}
		i.pc.state = l
		i.pcSince, i.pcHeard = now, now
		say := func(args ...string) {
			l.expect = append(l.expect, nil)
			i.pc.send(args)
		}
		s.introduce(i, "pubsub", say)
		say("SUBSCRIBE", helloChannel)
		l.hear = func(v value) { s.heard(i, v) }
	}
	i.disconnected = false
}

// introduce shows the password, if one is known, and a name.
func (s *sentinel) introduce(i *watched, what string, say func(...string)) {
	password := s.peerPassword
	if i.kind != rolePeer {
		password = i.group().password
	}
	if password != "" {
		say("AUTH", password)
	}
	say("CLIENT", "SETNAME", fmt.Sprintf("sentinel-%.8s-%s", s.myID, what))
}

// group is the master that an instance belongs to.
func (i *watched) group() *watched {
	if i.kind == roleMaster {
		return i
	}
	return i.master
}

// periodic sends PING, INFO and hello when they are due.
func (s *sentinel) periodic(i *watched) {
	if i.disconnected || i.pending >= maxPending {
		return
	}
	now := time.Now()
	every := infoPeriod
	if i.kind == roleReplica && (i.master.oDown || i.master.failing || i.linkDownFor != 0) {
		every = time.Second
	}
	if i.kind != rolePeer && (i.infoAt.IsZero() || now.Sub(i.infoAt) > every) {
		i.ask(func(v value) {
			if v.kind == bulk {
				s.learn(i, v.text)
			}
		}, "INFO")
	}
	if i.cc == nil { // an answer has closed it
		return
	}
	period := min(i.group().downAfter, pingPeriod)
	if now.Sub(i.lastPong) > period && now.Sub(i.lastPing) > period/2 {
		s.ping(i)
	}
	if now.Sub(i.lastHelloSent) > publishPeriod {
		s.sendHello(i)
	}
}

func (s *sentinel) ping(i *watched) {
	now := time.Now()
	i.lastPing = now
	if i.pingWaits.IsZero() {
		i.pingWaits = now
	}
	i.ask(func(v value) { s.pong(i, v) }, "PING")
}

// pong: LOADING and MASTERDOWN are signs of life too, a refused password is none
// (hazard S8).
func (s *sentinel) pong(i *watched, v value) {
	now := time.Now()
	if v.kind != simple && v.kind != failure {
		return
	}
	if strings.HasPrefix(v.text, "PONG") || strings.HasPrefix(v.text, "LOADING") || strings.HasPrefix(v.text, "MASTERDOWN") {
		i.lastGood, i.pingWaits = now, time.Time{}
		if strings.HasPrefix(v.text, "PONG") {
			i.rebooted = false
		}
	}
	i.lastPong = now
}
