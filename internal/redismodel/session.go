package redismodel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
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

// access is the default user: who may come in.
type access struct {
	on     bool
	nopass bool
	hashes []string
}

func hashOf(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// setPassword is what requirepass does to the default user (hazard C1).
func (a *access) setPassword(password string) {
	a.hashes, a.nopass = nil, password == ""
	if password != "" {
		a.hashes = []string{hashOf(password)}
	}
}

// rule takes one word of ACL SETUSER or of a user line.
func (a *access) rule(word string) error {
	switch {
	case word == "on":
		a.on = true
	case word == "off":
		a.on = false
	case word == "nopass":
		a.nopass, a.hashes = true, nil
	case word == "resetpass":
		a.nopass, a.hashes = false, nil
	case strings.HasPrefix(word, ">"):
		a.add(hashOf(word[1:]))
	case strings.HasPrefix(word, "#") && len(word) == 65:
		a.add(word[1:])
	case strings.HasPrefix(word, "<"):
		return a.remove(hashOf(word[1:]))
	case strings.HasPrefix(word, "!"):
		return a.remove(word[1:])
	case slices.Contains([]string{"sanitize-payload", "~*", "&*", "+@all", "allkeys", "allchannels", "allcommands"}, word):
	default:
		return fmt.Errorf("the model knows no ACL rule %q", word[:1])
	}
	return nil
}

func (a *access) add(hash string) {
	a.nopass = false
	if !slices.Contains(a.hashes, hash) {
		a.hashes = append(a.hashes, hash)
	}
}

func (a *access) remove(hash string) error {
	at := slices.Index(a.hashes, hash)
	if at < 0 {
		return fmt.Errorf("The password you are trying to remove from the user does not exist")
	}
	a.hashes = slices.Delete(a.hashes, at, at+1)
	return nil
}

// line is the user line that a rewrite puts into the file.
func (a *access) line() []string {
	words := []string{"default", "on"}
	if !a.on {
		words[1] = "off"
	}
	if a.nopass {
		words = append(words, "nopass")
	}
	for _, h := range a.hashes {
		words = append(words, "#"+h)
	}
	return append(words, "~*", "&*", "+@all")
}

// getUser is the reply of ACL GETUSER default.
func (a *access) getUser() value {
	flags := []string{"on"}
	if !a.on {
		flags[0] = "off"
	}
	if a.nopass {
		flags = append(flags, "nopass")
	}
	return items(str("flags"), strs(flags...), str("passwords"), strs(a.hashes...),
		str("commands"), str("+@all"), str("keys"), str("~*"), str("channels"), str("&*"), str("selectors"), items())
}

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

func (d *desk) aclCommand(args []string) (value, bool) {
	switch {
	case len(args) == 1 && strings.EqualFold(args[0], "WHOAMI"):
		return str("default"), true
	case len(args) == 2 && strings.EqualFold(args[0], "GETUSER"):
		if args[1] != "default" {
			return noList(), true
		}
		return d.acl.getUser(), true
	case len(args) > 2 && strings.EqualFold(args[0], "SETUSER") && args[1] == "default":
		next := d.acl
		next.hashes = slices.Clone(next.hashes)
		for _, word := range args[2:] {
			if err := next.rule(word); err != nil {
				return fail("ERR Error in ACL SETUSER modifier: " + err.Error()), true
			}
		}
		d.acl = next
		return ok(), true
	}
	return value{}, false
}

func (d *desk) client(s *session, args []string) (value, bool) {
	if len(args) == 0 {
		return value{}, false
	}
	switch strings.ToUpper(args[0]) {
	case "ID":
		return num(s.c.id), true
	case "GETNAME":
		if s.name == "" {
			return nothing(), true
		}
		return str(s.name), true
	case "SETNAME":
		if len(args) == 2 {
			s.name = args[1]
			return ok(), true
		}
	case "SETINFO", "NO-EVICT":
		return ok(), true
	case "LIST":
		return str(d.list()), true
	case "KILL":
		return d.kill(s, args[1:])
	}
	return value{}, false
}

func (d *desk) list() string {
	var b strings.Builder
	for _, s := range d.sessions {
		flags := map[string]string{"replica": "S", "pubsub": "P", "normal": "N"}[s.kind()]
		remote := s.c.remote()
		fmt.Fprintf(&b, "id=%d addr=%s laddr=%s name=%s age=%d idle=%d flags=%s db=0 sub=%d psub=0 user=default\n",
			s.c.id, remote, d.p.addr, s.name, secondsSince(s.since), secondsSince(s.last), flags, len(s.subs))
	}
	return b.String()
}

func secondsSince(t time.Time) int64 { return int64(time.Since(t) / time.Second) }

// kill takes TYPE and ID filters; the caller's own connection stays.
func (d *desk) kill(caller *session, args []string) (value, bool) {
	match := func(*session) bool { return true }
	for i := 0; i+1 < len(args); i += 2 {
		value, before := strings.ToLower(args[i+1]), match
		switch strings.ToUpper(args[i]) {
		case "TYPE":
			if value == "slave" {
				value = "replica"
			}
			match = func(s *session) bool { return before(s) && s.kind() == value }
		case "ID":
			match = func(s *session) bool { return before(s) && strconv.FormatInt(s.c.id, 10) == value }
		default:
			return fail("ERR syntax error"), true
		}
	}
	var killed int64
	for _, s := range slices.Clone(d.sessions) {
		if s != caller && match(s) {
			s.c.w.trace(d.p.name, "kills a client on %s", s.c.remote().Host)
			d.p.body.(interface{ hangUp(*session) }).hangUp(s)
			killed++
		}
	}
	return num(killed), true
}
