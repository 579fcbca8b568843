package redismodel

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// session is one client's connection as an instance sees it.
type session struct {
	c       *conn
	name    string
	authed  bool
	since   time.Time
	last    time.Time
	subs    []string
	inMulti bool
	queued  [][]string
	broken  bool // a queued command was refused: EXEC will be too
	// replica is set once the client has asked to be one.
	replica *replica
	// waits: a command that blocks has no answer yet; held are those behind it.
	waits bool
	held  [][]string
	// wrote is the replication offset after the last write of this client.
	wrote int64
}

// kind is the class that CLIENT KILL TYPE and CLIENT LIST know.
func (s *session) kind() string {
	switch {
	case s.replica != nil:
		return "replica"
	case len(s.subs) > 0:
		return "pubsub"
	}
	return "normal"
}

func (s *session) reply(v value) { s.c.send(v) }

// desk is what servers and sentinels do alike for their clients.
type desk struct {
	p        *Process
	acl      access
	sessions []*session
	boot     time.Time
	runID    string
}

func newDesk(p *Process) desk {
	return desk{p: p, acl: access{on: true, nopass: true}, boot: time.Now(), runID: p.hex40()}
}

// loadACL reads requirepass and a user line, which wins (hazard C4).
func (d *desk) loadACL(c *conf) error {
	d.acl.setPassword(c.get("requirepass", ""))
	for _, line := range c.file.Get("user") {
		if len(line) == 0 || line[0] != "default" {
			continue
		}
		d.acl = access{}
		for _, word := range line[1:] {
			if err := d.acl.rule(word); err != nil {
				return err
			}
		}
	}
	return nil
}

// hex40 draws an id of 40 hex digits.
func (p *Process) hex40() string {
	b := make([]byte, 20)
	for i := range b {
		b[i] = byte(p.chance.IntN(256))
	}
	return hex.EncodeToString(b)
}

func (d *desk) accepted(c *conn) {
	s := &session{c: c, authed: d.acl.nopass && d.acl.on, since: time.Now(), last: time.Now()}
	c.state = s
	d.sessions = append(d.sessions, s)
}

func (d *desk) leave(s *session) {
	if at := slices.Index(d.sessions, s); at >= 0 {
		d.sessions = slices.Delete(d.sessions, at, at+1)
	}
}

// drop closes a client's connection from this side.
func (d *desk) drop(s *session) {
	d.leave(s)
	s.c.close()
}

const noAuth = "NOAUTH Authentication required."

// entry answers what comes before everything else, and refuses whoever has not
// authenticated. done means that the command is answered.
func (d *desk) entry(s *session, args []string) (done bool) {
	switch strings.ToUpper(args[0]) {
	case "AUTH":
		s.reply(d.auth(s, args[1:]))
	case "HELLO":
		s.reply(d.hello(s, args[1:]))
	case "QUIT":
		s.reply(ok())
		d.drop(s)
	default:
		if s.authed {
			return false
		}
		s.reply(fail(noAuth))
	}
	return true
}

func (d *desk) auth(s *session, args []string) value {
	user, password := "default", ""
	switch len(args) {
	case 1:
		password = args[0]
		if d.acl.nopass {
			return fail("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
		}
	case 2:
		user, password = args[0], args[1]
	default:
		return fail("ERR wrong number of arguments for 'auth' command")
	}
	if user != "default" || !d.acl.on || !d.acl.nopass && !slices.Contains(d.acl.hashes, hashOf(password)) {
		return fail("WRONGPASS invalid username-password pair or user is disabled.")
	}
	s.authed = true
	return ok()
}

func (d *desk) hello(s *session, args []string) value {
	if len(args) > 0 && args[0] != "2" {
		return fail("NOPROTO unsupported protocol version")
	}
	for i := 1; i < len(args); i++ {
		switch strings.ToUpper(args[i]) {
		case "AUTH":
			if i+2 >= len(args) {
				return fail("ERR Syntax error in HELLO option 'auth'")
			}
			if v := d.auth(s, args[i+1:i+3]); v.kind == failure {
				return v
			}
			i += 2
		case "SETNAME":
			if i+1 >= len(args) {
				return fail("ERR Syntax error in HELLO option 'setname'")
			}
			s.name = args[i+1]
			i++
		}
	}
	if !s.authed {
		return fail("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
	}
	mode := "standalone"
	if d.p.prog.Sentinel {
		mode = "sentinel"
	}
	return items(str("server"), str("redis"), str("version"), str(Version), str("proto"), num(2),
		str("id"), num(s.c.id), str("mode"), str(mode), str("role"), str("master"), str("modules"), items())
}

// Version is the version that the models say they are.
const Version = "7.0.15"

// common answers commands that both kinds of instance have in common.
func (d *desk) common(s *session, args []string) (value, bool) {
	switch strings.ToUpper(args[0]) {
	case "PING":
		if len(args) > 1 {
			return str(args[1]), true
		}
		return status("PONG"), true
	case "ECHO":
		if len(args) == 2 {
			return str(args[1]), true
		}
	case "CLIENT":
		return d.client(s, args[1:])
	case "ACL":
		return d.aclCommand(args[1:])
	case "SUBSCRIBE":
		return d.subscribe(s, args[1:]), true
	case "UNSUBSCRIBE":
		s.subs = nil
		return items(str("unsubscribe"), nothing(), num(0)), true
	}
	return value{}, false
}

func (d *desk) subscribe(s *session, channels []string) (last value) {
	for i, ch := range channels {
		if !slices.Contains(s.subs, ch) {
			s.subs = append(s.subs, ch)
		}
		last = items(str("subscribe"), str(ch), num(int64(len(s.subs))))
		if i < len(channels)-1 {
			s.reply(last)
		}
	}
	return last
}

// publish hands a message to the local subscribers.
func (d *desk) publish(channel, text string) int64 {
	var n int64
	for _, s := range d.sessions {
		if slices.Contains(s.subs, channel) {
			s.reply(strs("message", channel, text))
			n++
		}
	}
	return n
}
