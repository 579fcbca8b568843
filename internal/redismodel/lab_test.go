package redismodel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// ground is where a script runs: the models, or the real programs.
type ground interface {
	// host is the address of machine n, from 1 on.
	host(n int) string
	// start begins a program from a file.
	start(conf string, sentinel bool) (running, error)
	dial(ctx context.Context, addr string) (net.Conn, error)
}

// running is a program of either ground.
type running interface {
	Signal(syscall.Signal)
	Done() <-chan struct{}
}

// stage is what a script works with: a group of servers and sentinels, and what
// it has seen of them.
type stage struct {
	t   *testing.T
	g   ground
	dir string

	procs map[string]running
	// seen are observations that must be the same on both grounds; took are times
	// that may differ by a tolerance.
	seen []string
	took map[string]time.Duration
	fits map[string]time.Duration
	// late is for how long the machine let this test wait beyond what it asked for.
	late time.Duration

	password  string
	downAfter time.Duration
	timeout   time.Duration
	quorum    int
	preferred int // the server with the better priority
}

const groupName = "main"

func newStage(t *testing.T, g ground) *stage {
	dir, err := os.MkdirTemp("", "redfleet-model-")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, g: g, dir: dir, procs: map[string]running{}, took: map[string]time.Duration{},
		fits: map[string]time.Duration{}, password: "sesame", downAfter: 1500 * time.Millisecond, timeout: 3 * time.Second, quorum: 2}
	t.Cleanup(func() {
		for _, name := range slices.Sorted(maps.Keys(s.procs)) {
			s.procs[name].Signal(syscall.SIGKILL)
			<-s.procs[name].Done()
		}
		_ = os.RemoveAll(dir)
	})
	return s
}

func (s *stage) redis(n int) fleet.Addr    { return fleet.Addr{Host: s.g.host(n), Port: 6379} }
func (s *stage) sentinel(n int) fleet.Addr { return fleet.Addr{Host: s.g.host(n), Port: 26379} }

// who writes an address as r1, s2 and so on, the same on both grounds.
func (s *stage) who(text string) string {
	for n := range 9 {
		text = strings.ReplaceAll(text, s.g.host(n+1), fmt.Sprintf("h%d", n+1))
	}
	return text
}

func (s *stage) name(addr fleet.Addr) string { return s.who(addr.String()) }

func (s *stage) confPath(addr fleet.Addr) string {
	kind := "redis.conf"
	if addr.Port == 26379 {
		kind = "sentinel.conf"
	}
	return filepath.Join(s.dir, s.name(addr), kind)
}

// write makes the file of an instance in a folder of its own.
func (s *stage) write(addr fleet.Addr, lines ...string) {
	s.t.Helper()
	path := s.confPath(addr)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// serverConf are the lines that every server gets; later lines win.
func (s *stage) serverConf(n int, extra ...string) {
	a := s.redis(n)
	s.write(a, append([]string{
		"bind " + a.Host, "port 6379", "dir " + filepath.Dir(s.confPath(a)), "replica-announce-ip " + a.Host, "replica-announce-port 6379",
		"requirepass " + s.password, "masterauth " + s.password, "repl-diskless-sync yes", "repl-diskless-sync-delay 0",
		"appendonly no", "save \"\"", "logfile \"\"", "loglevel warning",
	}, extra...)...)
}

// sentinelConf seeds a sentinel with the master and everybody else.
func (s *stage) sentinelConf(n, of int, master fleet.Addr, replicas []int, extra ...string) {
	a := s.sentinel(n)
	lines := []string{
		"bind " + a.Host, "port 26379", "dir " + filepath.Dir(s.confPath(a)), "sentinel announce-ip " + a.Host, "sentinel announce-port 26379",
		"requirepass " + s.password, "sentinel sentinel-pass " + s.password, "sentinel myid " + myID(n), "loglevel warning",
		fmt.Sprintf("sentinel monitor %s %s %d %d", groupName, master.Host, master.Port, s.quorum),
		fmt.Sprintf("sentinel auth-pass %s %s", groupName, s.password),
		fmt.Sprintf("sentinel down-after-milliseconds %s %d", groupName, s.downAfter.Milliseconds()),
		fmt.Sprintf("sentinel failover-timeout %s %d", groupName, s.timeout.Milliseconds()),
	}
	for _, r := range replicas {
		lines = append(lines, fmt.Sprintf("sentinel known-replica %s %s 6379", groupName, s.g.host(r)))
	}
	for peer := 1; peer <= of; peer++ {
		if peer != n {
			lines = append(lines, fmt.Sprintf("sentinel known-sentinel %s %s 26379 %s", groupName, s.g.host(peer), myID(peer)))
		}
	}
	s.write(a, append(lines, extra...)...)
}

func myID(n int) string { return strings.Repeat(fmt.Sprint(n), 40) }

// up starts an instance and waits until it answers.
func (s *stage) up(addr fleet.Addr) {
	s.t.Helper()
	p, err := s.g.start(s.confPath(addr), addr.Port == 26379)
	if err != nil {
		s.t.Fatalf("start %s: %v", s.name(addr), err)
	}
	s.procs[s.name(addr)] = p
	s.await(s.name(addr)+" answers", 15*time.Second, func() bool {
		return s.ask(addr, "PING") == "PONG"
	})
}

// end sends a signal and waits for the end of the process.
func (s *stage) end(addr fleet.Addr, sig syscall.Signal) {
	p := s.procs[s.name(addr)]
	p.Signal(sig)
	<-p.Done()
}

func (s *stage) signal(addr fleet.Addr, sig syscall.Signal) { s.procs[s.name(addr)].Signal(sig) }

// await fails the test when ok is not true in time; it returns how long it took.
func (s *stage) await(what string, limit time.Duration, ok func() bool) time.Duration {
	s.t.Helper()
	const pause = 10 * time.Millisecond
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			s.t.Fatalf("not within %v: %s; seen so far: %q", limit, what, s.seen)
		}
		rests := time.Now()
		time.Sleep(pause)
		if rested := time.Since(rests); rested > 5*pause {
			s.late += rested - pause
		}
	}
	return time.Since(began)
}

// promoted waits until a server is the master and all sentinels name it, and keeps how
// long the promotion took: without the elections that nobody won, which take twice the
// failover-timeout until the next one. Sentinels that run for it in one moment have
// them, and more often on a busy machine.
func (s *stage) promoted(n, sentinels int) {
	s.t.Helper()
	took := s.await(fmt.Sprintf("%d is promoted", n), 30*time.Second, func() bool { return s.role(n) == "master" })
	s.await("all sentinels name it", 15*time.Second, func() bool {
		for i := 1; i <= sentinels; i++ {
			if s.named(i) != fmt.Sprintf("h%d:6379", n) {
				return false
			}
		}
		return true
	})
	lost := s.state(1).ConfigEpoch - 1
	s.time("promotion", took-time.Duration(lost)*2*s.timeout, 3*time.Second)
}

// see keeps an observation; both grounds must make the same ones in one order.
func (s *stage) see(format string, args ...any) {
	s.seen = append(s.seen, s.who(fmt.Sprintf(format, args...)))
}

// time keeps a length of time that may differ by a tolerance, and by what a busy
// machine added: the programs wait for it as this test does.
func (s *stage) time(what string, took, tolerance time.Duration) {
	s.took[what], s.fits[what] = took, tolerance+s.late
}

// ask sends commands on one connection and gives the last reply as text; where
// there is no connection the text says so.
func (s *stage) ask(addr fleet.Addr, args ...string) string {
	v, err := s.send(addr, s.password, args)
	if err != nil {
		return "no answer"
	}
	return s.who(v.plain())
}

func (s *stage) send(addr fleet.Addr, password string, commands ...[]string) (value, error) {
	// Nobody who is asked is silent on purpose, but one that loads takes a second.
	const limit = 10 * time.Second
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	c, err := s.g.dial(ctx, addr.String())
	if err != nil {
		return value{}, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(limit))
	r := bufio.NewReader(c)
	if password != "" {
		commands = slices.Concat([][]string{{"AUTH", password}}, commands)
	}
	var last value
	for n, args := range commands {
		if _, err := io.WriteString(c, wire(args...)); err != nil {
			return value{}, err
		}
		if last, err = readValue(r); err != nil {
			return value{}, err
		}
		if n == 0 && password != "" && last.kind == failure {
			return last, nil
		}
	}
	return last, nil
}

// plain is a reply for people: items with a blank between them.
func (v value) plain() string {
	switch v.kind {
	case integer:
		return fmt.Sprint(v.num)
	case null, nullArray:
		return "nil"
	case array:
		var parts []string
		for _, item := range v.list {
			parts = append(parts, item.plain())
		}
		return strings.Join(parts, " ")
	}
	return v.text
}

// info is one field of INFO.
func (s *stage) info(addr fleet.Addr, section, field string) string {
	for line := range strings.Lines(s.ask(addr, "INFO", section)) {
		if v, found := strings.CutPrefix(strings.TrimRight(line, "\r\n"), field+":"); found {
			return v
		}
	}
	return ""
}

// role is the first word of ROLE, with the master where it is a replica.
func (s *stage) role(n int) string {
	words := strings.Fields(s.ask(s.redis(n), "ROLE"))
	switch {
	case len(words) > 4 && words[0] == "slave":
		return "slave of " + words[1] + " " + words[3]
	case len(words) > 0:
		return words[0]
	}
	return "nothing"
}

// named is the master that a sentinel tells clients.
func (s *stage) named(n int) string {
	return strings.ReplaceAll(s.ask(s.sentinel(n), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", groupName), " ", ":")
}

// entry is a field of SENTINEL MASTER.
func (s *stage) entry(n int, field string) string {
	v, err := s.send(s.sentinel(n), s.password, []string{"SENTINEL", "MASTER", groupName})
	if err != nil {
		return "no answer"
	}
	return fieldOf(v, field)
}

// heard tells whether a master has answered a sentinel since that one started, by the
// two ages that Instance.Reached in internal/redis compares.
func (s *stage) heard(n int, master string) bool {
	v, err := s.send(s.sentinel(n), s.password, []string{"SENTINEL", "MASTER", master})
	if err != nil {
		s.t.Errorf("SENTINEL MASTER %s on sentinel %d: %v", master, n, err)
	}
	return atoi(fieldOf(v, "last-ok-ping-reply")) > atoi(fieldOf(v, "last-ping-sent"))+2
}

func fieldOf(v value, field string) string {
	for n := 0; n+1 < len(v.list); n += 2 {
		if v.list[n].text == field {
			return v.list[n+1].text
		}
	}
	return ""
}

// replicaEntry is a field of one entry of SENTINEL REPLICAS.
func (s *stage) replicaEntry(n int, replica fleet.Addr, field string) string {
	v, err := s.send(s.sentinel(n), s.password, []string{"SENTINEL", "REPLICAS", groupName})
	if err != nil {
		return "no answer"
	}
	for _, entry := range v.list {
		if fieldOf(entry, "ip") == replica.Host {
			return fieldOf(entry, field)
		}
	}
	return "unknown"
}

// file reads an instance's configuration.
func (s *stage) file(addr fleet.Addr) *redisconf.File {
	s.t.Helper()
	b, err := os.ReadFile(s.confPath(addr))
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := redisconf.Parse(b)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *stage) state(n int) redisconf.MonitoredMaster {
	s.t.Helper()
	st, err := redisconf.ReadSentinelState(s.file(s.sentinel(n)))
	if err != nil {
		s.t.Fatal(err)
	}
	m, found := st.Master(groupName)
	if !found {
		s.t.Fatalf("sentinel %d's file names no master", n)
	}
	return m
}

var errEnded = errors.New("the program ended at its start")
