package redismodel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
