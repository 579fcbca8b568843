package redismodel

import (
	"errors"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// normal is a value as CONFIG GET shows it: sizes in bytes.
func normal(v string) string {
	if n, isSize := redisconf.Size(v); isSize && !strings.HasPrefix(v, "0") {
		return strconv.FormatInt(n, 10)
	}
	return v
}

func size(v string) int64 {
	n, _ := redisconf.Size(v)
	return n
}

func secretName(name string) bool {
	return strings.Contains(name, "pass") || strings.Contains(name, "auth")
}

func (s *server) config(args []string) value {
	switch strings.ToUpper(args[0]) {
	case "GET":
		v := items()
		for _, pattern := range args[1:] {
			if old := redisconf.Canonical(pattern); old != pattern { // an old word is answered with itself
				if text, known := s.set[old]; known {
					v.list = append(v.list, str(pattern), str(text))
				}
				continue
			}
			if !strings.ContainsAny(pattern, `*?[\`) {
				if text, known := s.set[pattern]; known {
					v.list = append(v.list, str(pattern), str(text))
				}
				continue
			}
			for _, name := range sortedKeys(s.set) {
				if match, err := path.Match(pattern, name); err == nil && match {
					v.list = append(v.list, str(name), str(s.set[name]))
				}
			}
		}
		return v
	case "SET":
		return s.configSet(args[1:])
	case "REWRITE":
		if err := s.rewrite(); err != nil {
			s.p.w.trace(s.p.name, "CONFIG REWRITE failed: %v", err)
			return fail("ERR Rewriting config file: " + reason(err))
		}
		return ok()
	case "RESETSTAT":
		return ok()
	}
	return fail("ERR unknown subcommand '" + args[0] + "'. Try CONFIG HELP.")
}

// reason is what strerror would say.
func reason(err error) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		text := no.Error()
		return strings.ToUpper(text[:1]) + text[1:]
	}
	if errors.Is(err, os.ErrNotExist) {
		return "No such file or directory"
	}
	return err.Error()
}

// immutable directives count at the start only.
var immutable = []string{"daemonize", "supervised", "pidfile", "logfile", "databases", "appendfilename",
	"appenddirname", "enable-debug-command", "enable-protected-configs", "enable-module-command"}

func (s *server) configSet(args []string) value {
	if len(args) == 0 || len(args)%2 != 0 {
		return fail("ERR wrong number of arguments for 'config|set' command")
	}
	for i := 0; i < len(args); i += 2 {
		name := redisconf.Canonical(args[i])
		if _, known := s.set[name]; !known {
			return fail("ERR Unknown option or number of arguments for CONFIG SET - '" + args[i] + "'")
		}
		if slices.Contains(immutable, name) {
			return fail("ERR CONFIG SET failed (possibly related to argument '" + args[i] + "') - can't set immutable config")
		}
	}
	for i := 0; i < len(args); i += 2 {
		name, v := redisconf.Canonical(args[i]), args[i+1]
		if !secretName(name) {
			v = normal(v)
		}
		before := s.set[name]
		s.set[name] = v
		switch {
		case name == "requirepass":
			s.acl.setPassword(v)
		case name == "appendonly" && v == "yes" && before != "yes":
			s.rewriteAOF()
		case name == "appendonly" && v != "yes":
			s.aof = aof{seq: s.aof.seq}
		}
	}
	return ok()
}

// rewrite is CONFIG REWRITE: the file keeps its lines, what changed is changed in
// place, and the role is in it (hazard S15).
func (s *server) rewrite() error {
	c, err := readConf(&s.p.w.disk, s.conf.path)
	if err != nil {
		return err
	}
	if err := s.p.w.disk.writable(s.conf.path); err != nil {
		return err
	}
	for _, name := range sortedKeys(s.set) {
		s.rewriteOne(c, name)
	}
	if s.master == (fleet.Addr{}) {
		c.file.Remove("replicaof")
	} else {
		c.file.Set("replicaof", s.master.Host, strconv.Itoa(s.master.Port))
	}
	rewriteUser(c, &s.acl)
	return s.p.w.disk.replace(s.conf.path, c.file.Bytes())
}

func (s *server) rewriteOne(c *conf, name string) {
	v := s.set[name]
	lines := c.file.Get(name)
	switch {
	case name == "dir":
	case name == "save":
		if joinSave(lines) != v && (len(lines) > 0 || v != serverDefaults[name]) {
			c.file.Set(name, strings.Fields(v)...)
			if v == "" {
				c.file.Set(name, "")
			}
		}
	case len(lines) == 0 && v == serverDefaults[name]:
	case len(lines) == 0:
		c.file.Set(name, v)
	case normal(strings.Join(lines[len(lines)-1], " ")) != v && strings.Join(lines[len(lines)-1], " ") != v:
		c.file.Set(name, v)
	}
}

// rewriteUser puts the default user into the file, which is the engine's way
// wherever it differs from a user without a password.
func rewriteUser(c *conf, acl *access) {
	if acl.on && acl.nopass {
		return
	}
	for _, line := range c.file.Get("user") {
		if len(line) > 0 && line[0] == "default" {
			c.file.Set("user", acl.line()...)
			return
		}
	}
	c.file.Add("user", acl.line()...)
}
