package redismodel

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// What a command needs to be known of before it runs.
const (
	writes      = 1 << iota // refused on a replica, and without enough replicas
	whenLoading             // answered while the dataset is loaded
	mayFeed                 // goes into the stream though it writes no key
	atOnce                  // never queued by MULTI
)

// commandFlags are all commands that a server of the model knows.
var commandFlags = map[string]int{
	"SET": writes, "DEL": writes, "INCR": writes, "APPEND": writes, "FLUSHALL": writes, "SETNX": writes,
	"GET": 0, "EXISTS": 0, "DBSIZE": 0, "KEYS": 0, "STRLEN": 0, "MGET": 0,
	"PING": 0, "ECHO": whenLoading, "SELECT": whenLoading, "INFO": whenLoading, "ROLE": whenLoading, "CONFIG": whenLoading,
	"ACL": whenLoading, "CLIENT": whenLoading, "TIME": whenLoading, "LASTSAVE": whenLoading,
	"SUBSCRIBE": whenLoading, "UNSUBSCRIBE": whenLoading, "PUBLISH": whenLoading | mayFeed,
	"MULTI": whenLoading | atOnce, "EXEC": whenLoading | atOnce, "DISCARD": whenLoading | atOnce,
	"REPLICAOF": whenLoading, "SLAVEOF": whenLoading, "REPLCONF": whenLoading, "PSYNC": 0, "WAIT": 0,
	"SHUTDOWN": whenLoading, "SAVE": 0, "BGSAVE": 0, "BGREWRITEAOF": 0,
}

// command runs one command of a client, or puts it off.
func (s *server) command(client *session, args []string) {
	if client.waits {
		client.held = append(client.held, args)
		return
	}
	if s.entry(client, args) {
		return
	}
	name := strings.ToUpper(args[0])
	flags, known := commandFlags[name]
	if refusal := s.refusal(client, name, args, flags, known); refusal != "" {
		client.broken = client.broken || client.inMulti
		client.reply(fail(refusal))
		return
	}
	if client.inMulti && flags&atOnce == 0 {
		client.queued = append(client.queued, args)
		client.reply(status("QUEUED"))
		return
	}
	if s.mustPause(client, name, flags) {
		client.waits = true
		s.paused = append(s.paused, func() { s.release(client, args) })
		return
	}
	if v, done := s.run(client, name, args); done {
		client.reply(v)
	}
}

// release runs a command that was put off, and those behind it.
func (s *server) release(client *session, args []string) {
	client.waits = false
	if client.c.gone {
		return
	}
	held := client.held
	client.held = nil
	s.command(client, args)
	for _, next := range held {
		s.command(client, next)
	}
}

// refusal is why a command is not run, in the order of the engine.
func (s *server) refusal(client *session, name string, args []string, flags int, known bool) string {
	isWrite := flags&writes != 0
	if name == "EXEC" {
		isWrite = slices.ContainsFunc(client.queued, func(q []string) bool { return commandFlags[strings.ToUpper(q[0])]&writes != 0 })
	}
	outside := client.replica == nil
	switch {
	case !known:
		return unknownCommand(args)
	case len(args) < arity(name):
		return fmt.Sprintf("ERR wrong number of arguments for '%s' command", strings.ToLower(name))
	case isWrite && s.master == (fleet.Addr{}) && s.yes("stop-writes-on-bgsave-error") && s.saveFailed && s.set["save"] != "":
		return "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error."
	case (isWrite || name == "PING") && s.aof.failed && s.master == (fleet.Addr{}):
		return "MISCONF Errors writing to the AOF file: " + s.aof.reason
	case isWrite && s.master == (fleet.Addr{}) && s.fewReplicas():
		return "NOREPLICAS Not enough good replicas to write."
	case isWrite && s.master != (fleet.Addr{}) && s.yes("replica-read-only"):
		return "READONLY You can't write against a read only replica."
	case len(client.subs) > 0 && outside && !slices.Contains([]string{"SUBSCRIBE", "UNSUBSCRIBE", "PING"}, name):
		return fmt.Sprintf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", strings.ToLower(name))
	case s.stale() && flags&whenLoading == 0:
		return "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
	case s.loading() && flags&whenLoading == 0:
		return "LOADING Redis is loading the dataset in memory"
	}
	return ""
}

func unknownCommand(args []string) string {
	text := fmt.Sprintf("ERR unknown command '%s', with args beginning with: ", args[0])
	for _, arg := range args[1:] {
		text += fmt.Sprintf("'%s' ", arg)
	}
	return text
}

// stale: a replica that must not answer while it is cut off from its master.
func (s *server) stale() bool {
	return s.master != (fleet.Addr{}) && s.link.phase != linkUp && !s.yes("replica-serve-stale-data")
}

func arity(name string) int {
	switch name {
	case "SET", "APPEND", "WAIT", "PUBLISH", "REPLICAOF", "SLAVEOF", "PSYNC", "SETNX":
		return 3
	case "GET", "DEL", "EXISTS", "INCR", "KEYS", "CONFIG", "ACL", "CLIENT", "SELECT", "SUBSCRIBE", "STRLEN", "MGET", "ECHO":
		return 2
	}
	return 1
}

// mustPause: CLIENT PAUSE, or a server that is ending, holds this command back.
func (s *server) mustPause(client *session, name string, flags int) bool {
	if client.replica != nil {
		return false
	}
	write := flags&(writes|mayFeed) != 0 || name == "EXEC" && s.queuesWrite(client)
	if s.shutdown != nil && write {
		return true
	}
	return time.Now().Before(s.pausedUntil) && (s.pauseAll && name != "CLIENT" || write)
}

func (s *server) queuesWrite(client *session) bool {
	return slices.ContainsFunc(client.queued, func(q []string) bool {
		return commandFlags[strings.ToUpper(q[0])]&(writes|mayFeed) != 0
	})
}

func (s *server) pause(args []string) value {
	if len(args) < 1 {
		return fail("ERR wrong number of arguments for 'client|pause' command")
	}
	until := time.Now().Add(time.Duration(atoi(args[0])) * time.Millisecond)
	if until.After(s.pausedUntil) {
		s.pausedUntil = until
	}
	s.pauseAll = len(args) < 2 || !strings.EqualFold(args[1], "WRITE")
	s.p.w.at(until, func() { s.p.do(s.unpause) })
	return ok()
}

// unpause lets go what waited, unless another pause holds on.
func (s *server) unpause() {
	if time.Now().Before(s.pausedUntil) || s.shutdown != nil {
		return
	}
	waiting := s.paused
	s.paused = nil
	for _, f := range waiting {
		f()
	}
}

// run is the command itself; done is false where the answer comes later, or never.
func (s *server) run(client *session, name string, args []string) (v value, done bool) {
	switch name {
	case "MULTI":
		client.inMulti, client.queued, client.broken = true, nil, false
		return ok(), true
	case "DISCARD":
		client.inMulti, client.queued = false, nil
		return ok(), true
	case "EXEC":
		return s.exec(client), true
	case "CLIENT":
		if sub := strings.ToUpper(args[1]); sub == "PAUSE" {
			return s.pause(args[2:]), true
		} else if sub == "UNPAUSE" {
			s.pausedUntil = time.Time{}
			s.unpause()
			return ok(), true
		}
	case "REPLCONF":
		return s.replconf(client, args[1:])
	case "PSYNC":
		return s.psync(client, args[1], args[2])
	case "WAIT":
		return s.wait(client, atoi(args[1]), time.Duration(atoi(args[2]))*time.Millisecond)
	case "SHUTDOWN":
		return s.shutdownCommand(client, args[1:])
	}
	if v, isCommon := s.common(client, args); isCommon {
		return v, true
	}
	return s.plain(client, name, args), true
}

// exec runs what MULTI queued, all of it in one step.
func (s *server) exec(client *session) value {
	if !client.inMulti {
		return fail("ERR EXEC without MULTI")
	}
	queued, broken := client.queued, client.broken
	client.inMulti, client.queued, client.broken = false, nil, false
	if broken {
		return fail("EXECABORT Transaction discarded because of previous errors.")
	}
	replies := items()
	for _, args := range queued {
		v, done := s.run(client, strings.ToUpper(args[0]), args)
		if done {
			replies.list = append(replies.list, v)
		}
	}
	return replies
}

// plain are commands that answer at once.
func (s *server) plain(client *session, name string, args []string) value {
	switch name {
	case "SELECT":
		if args[1] != "0" {
			return fail("ERR DB index is out of range")
		}
		return ok()
	case "INFO":
		section := ""
		if len(args) > 1 {
			section = strings.ToLower(args[1])
		}
		return str(s.info(section))
	case "ROLE":
		return s.role()
	case "CONFIG":
		return s.config(args[1:])
	case "REPLICAOF", "SLAVEOF":
		return s.replicaOf(args[1], args[2])
	case "PUBLISH":
		n := s.publish(args[1], args[2])
		s.feed(args)
		client.wrote = s.offset
		return num(n)
	case "SAVE", "BGSAVE":
		return s.saveCommand(name)
	case "BGREWRITEAOF":
		s.rewriteAOF()
		return status("Background append only file rewriting started")
	case "TIME":
		now := time.Now()
		return strs(fmt.Sprint(now.Unix()), fmt.Sprint(now.Nanosecond()/1000))
	case "LASTSAVE":
		return num(s.saved.Unix())
	}
	v, changed := s.dataCommand(name, args)
	if changed > 0 {
		s.dirty += changed
		s.aof.write(s, args)
		s.feed(args)
		client.wrote = s.offset
	}
	return v
}

func (s *server) shutdownCommand(client *session, args []string) (value, bool) {
	how := &shutdown{asks: []*session{client}}
	for _, word := range args {
		switch strings.ToUpper(word) {
		case "SAVE":
			how.save = true
		case "NOSAVE":
			how.nosave = true
		case "FORCE":
			how.force = true
		case "NOW":
			how.deadline = time.Now()
		default:
			return fail("ERR syntax error"), true
		}
	}
	client.waits = true
	s.stop(how)
	return value{}, false
}
