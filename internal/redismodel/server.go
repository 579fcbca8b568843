package redismodel

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// server is redis-server.
type server struct {
	desk
	conf *conf
	// set are the directives as CONFIG GET shows them.
	set map[string]string

	data map[string]string
	// dirty counts changes since the last save; saved is when that was.
	dirty int64
	saved time.Time
	aof   aof
	// saveFailed: the last background save did, at triedSave.
	saveFailed bool
	triedSave  time.Time

	loadingUntil time.Time

	history
	replicas []*replica
	// snapshots: a full sync is being sent.
	snapshots bool
	waitings  []*waiting
	// lastPing is when the replicas were last sent a PING in the stream.
	lastPing time.Time
	// master is the address that the server follows; zero for a master.
	master fleet.Addr
	link   masterLink

	pausedUntil time.Time
	pauseAll    bool
	paused      []func()

	// shutdown: SIGTERM or SHUTDOWN was asked for and waits for the replicas.
	shutdown *shutdown
}

// The servers' own defaults, as far as the model has the directive.
var serverDefaults = map[string]string{
	"appendonly": "no", "appendfsync": "everysec", "appendfilename": "appendonly.aof", "appenddirname": "appendonlydir",
	"dbfilename": "dump.rdb", "dir": ".", "save": "3600 1 300 100 60 10000", "loglevel": "notice",
	"requirepass": "", "masterauth": "", "masteruser": "",
	"replica-read-only": "yes", "replica-priority": "100", "replica-serve-stale-data": "yes",
	"replica-announce-ip": "", "replica-announce-port": "0", "replica-announced": "yes",
	"repl-diskless-sync": "yes", "repl-diskless-sync-delay": "5", "repl-diskless-load": "disabled",
	"repl-backlog-size": "1048576", "repl-timeout": "60", "repl-ping-replica-period": "10",
	"min-replicas-to-write": "0", "min-replicas-max-lag": "10",
	"maxmemory": "0", "maxmemory-policy": "noeviction", "maxclients": "10000", "timeout": "0", "tcp-keepalive": "300",
	"shutdown-timeout": "10", "protected-mode": "yes", "port": "6379", "bind": "", "supervised": "no", "daemonize": "no",
	"logfile": "", "pidfile": "", "databases": "16", "enable-debug-command": "no", "enable-protected-configs": "no",
	"enable-module-command": "no", "stop-writes-on-bgsave-error": "yes", "auto-aof-rewrite-percentage": "100",
	"hz": "10", "lazyfree-lazy-eviction": "no", "notify-keyspace-events": "", "slowlog-log-slower-than": "10000",
	"aof-use-rdb-preamble": "yes", "rdbcompression": "yes", "rdbchecksum": "yes", "repl-backlog-ttl": "3600",
	"key-load-delay": "0", "loading-process-events-interval-bytes": "2097152",
}

func newServer(p *Process, c *conf) body {
	s := &server{desk: newDesk(p), conf: c, set: map[string]string{}, data: map[string]string{}, saved: time.Now()}
	for name, v := range serverDefaults {
		s.set[name] = v
	}
	for _, d := range c.file.Directives() {
		s.take(d.Name, d.Args)
	}
	s.set["dir"] = c.dir()
	s.history = newHistory(p.hex40())
	return s
}

// take reads one directive of the file.
func (s *server) take(name string, args []string) {
	switch name {
	case "replicaof":
		if len(args) == 2 && !strings.EqualFold(args[0], "no") {
			s.master = fleet.Addr{Host: args[0], Port: atoi(args[1])}
		}
	case "user":
	case "save":
		if len(s.conf.file.Get("save")) > 0 {
			s.set["save"] = joinSave(s.conf.file.Get("save"))
		}
	default:
		s.set[name] = normal(strings.Join(args, " "))
	}
}

// joinSave puts several lines into one value; an empty one turns saving off.
func joinSave(lines [][]string) string {
	var all []string
	for _, l := range lines {
		if len(l) == 1 && l[0] == "" {
			all = nil
			continue
		}
		all = append(all, l...)
	}
	return strings.Join(all, " ")
}

func (s *server) boot() error {
	if err := s.loadACL(s.conf); err != nil {
		return err
	}
	if err := s.loadData(); err != nil {
		return err
	}
	loads := time.Duration(atoi(s.set["key-load-delay"])*len(s.data)) * time.Microsecond
	if f := s.p.w.opt.LoadTime; f != nil && len(s.data) > 0 {
		loads += f(s.p.addr, len(s.data))
	}
	s.loadingUntil = time.Now().Add(loads)
	s.p.w.trace(s.p.name, "starts with %d keys, replid %.8s, offset %d", len(s.data), s.replid, s.offset)
	s.p.after(time.Millisecond, s.cron)
	return nil
}

func (s *server) loading() bool { return time.Now().Before(s.loadingUntil) }

func (s *server) yes(name string) bool { return s.set[name] == "yes" }

func (s *server) seconds(name string) time.Duration {
	return time.Duration(atoi(s.set[name])) * time.Second
}

// cron is what the server does once a second.
func (s *server) cron() {
	s.p.after(time.Second, s.cron)
	if s.loading() {
		return
	}
	s.replicaCron()
	s.masterCron()
	s.persistCron()
}

func (s *server) accepted(c *conn) { s.desk.accepted(c) }

func (s *server) opened(c *conn) {
	if c == s.link.c {
		s.linkOpened()
	}
}

func (s *server) closed(c *conn) {
	if c == s.link.c {
		s.linkLost()
		return
	}
	if client, ok := c.state.(*session); ok {
		s.gone(client)
	}
}

// gone forgets a client that went away.
func (s *server) gone(client *session) {
	s.leave(client)
	if client.replica != nil {
		s.forgetReplica(client.replica)
	}
}

// hangUp closes a client's connection.
func (s *server) hangUp(client *session) {
	s.gone(client)
	client.c.close()
}

func (s *server) received(c *conn, m message) {
	if c == s.link.c {
		s.fromMaster(m)
		return
	}
	client, ok := c.state.(*session)
	args, isCommand := m.([]string)
	if !ok || !isCommand || len(args) == 0 {
		return
	}
	client.last = time.Now()
	s.command(client, args)
}

var errCantExit = errors.New("Errors trying to SHUTDOWN. Check logs.")

// shutdown is an end that was asked for.
type shutdown struct {
	save, nosave, force bool
	deadline            time.Time
	// asks are the clients that wait for an answer; they get one on failure only.
	asks []*session
}

func (s *server) terminate() { s.stop(&shutdown{}) }

// stop ends the server at once, or when each replica has what it has, after
// shutdown-timeout at most. Writes wait meanwhile.
func (s *server) stop(how *shutdown) {
	if s.shutdown != nil {
		s.shutdown.asks = append(s.shutdown.asks, how.asks...)
		return
	}
	how.deadline = time.Now().Add(s.seconds("shutdown-timeout"))
	s.shutdown = how
	s.tryStop()
}

func (s *server) tryStop() {
	if s.shutdown == nil {
		return
	}
	behind := slices.ContainsFunc(s.replicas, func(r *replica) bool { return r.acked != s.offset })
	if behind && time.Now().Before(s.shutdown.deadline) {
		s.p.after(100*time.Millisecond, s.tryStop)
		return
	}
	s.finishStop()
}

// finishStop refuses when the data cannot be saved (hazard D2).
func (s *server) finishStop() {
	how := s.shutdown
	s.aof.flush(s)
	if (how.save || s.set["save"] != "") && !how.nosave {
		if err := s.saveRDB(); err != nil && !how.force {
			s.p.w.trace(s.p.name, "cannot exit: %v", err)
			s.shutdown = nil
			for _, client := range how.asks {
				client.waits = false
				client.reply(fail("ERR " + errCantExit.Error()))
			}
			s.unpause()
			return
		}
	}
	s.p.end(Exit{Reason: "bye bye"})
}

// atoi reads the number that a text begins with; 0 where it begins with none.
func atoi(s string) int {
	n, negative := 0, strings.HasPrefix(s, "-")
	for _, c := range strings.TrimLeft(s, "+-") {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int(c-'0')
	}
	if negative {
		return -n
	}
	return n
}
