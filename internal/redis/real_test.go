package redis_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// password of every group in these tests.
const password = "planted-password-0123456789"

// host keeps these tests' ports apart from those of other packages.
const host = "127.0.0.151"

// process is a real redis-server or redis-sentinel.
type process struct {
	addr fleet.Addr
	dir  string
	kind string
	cmd  *exec.Cmd
}

func freeAddr(t *testing.T) fleet.Addr {
	t.Helper()
	return fleet.Addr{Host: host, Port: redistest.FreePort(t, host)}
}

// launch starts a program with these lines of configuration and waits until it
// answers; the log of a test that fails has the program's own.
func launch(t *testing.T, kind string, addr fleet.Addr, lines ...string) *process {
	t.Helper()
	p := &process{addr: addr, dir: t.TempDir(), kind: kind}
	conf := append([]string{"bind " + addr.Host, fmt.Sprintf("port %d", addr.Port), "dir " + p.dir}, lines...)
	if err := os.WriteFile(p.conf(), []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	t.Cleanup(func() {
		p.kill()
		if log, err := os.ReadFile(p.log()); err == nil && t.Failed() {
			t.Logf("%s of %s:\n%s", p.kind, p.addr, log)
		}
	})
	return p
}

func (p *process) conf() string { return filepath.Join(p.dir, "conf") }
func (p *process) log() string  { return filepath.Join(p.dir, "log") }

func (p *process) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command("/usr/bin/"+p.kind, p.conf())
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, p.kind+" answers", func() bool { return answers(p.addr) })
}

// answers tells whether a server's loop serves clients, be it with an error: the
// kernel takes connections before that.
func answers(addr fleet.Addr) bool {
	c, err := net.DialTimeout("tcp", addr.String(), time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	n, err := c.Read(make([]byte, 64))
	return err == nil && n > 0
}

// kill ends this very process, and waits for it.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGKILL)
		_ = p.cmd.Wait()
	}
}

func server(t *testing.T, lines ...string) *process {
	t.Helper()
	return launch(t, "redis-server", freeAddr(t), append([]string{`save ""`, "repl-diskless-sync-delay 0"}, lines...)...)
}

// secured is a server as redfleet sets one up.
func secured(t *testing.T, lines ...string) *process {
	t.Helper()
	return server(t, append([]string{"requirepass " + password, "masterauth " + password}, lines...)...)
}

func dial(t *testing.T, addr fleet.Addr, password string) *redis.Server {
	t.Helper()
	c := redis.Dial(addr, password)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func dialSentinel(t *testing.T, addr fleet.Addr) *redis.SentinelClient {
	t.Helper()
	c := redis.DialSentinel(addr, password)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// until waits for what may take several of Sentinel's rounds: it makes itself known
// every 2 s, and who hears of it answers in a round of its own.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	const limit = 30 * time.Second
	for end := time.Now().Add(limit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// replicaOf starts a replica and waits until its master feeds it.
func replicaOf(t *testing.T, master *process, lines ...string) *process {
	t.Helper()
	r := secured(t, append(lines, fmt.Sprintf("replicaof %s %d", master.addr.Host, master.addr.Port),
		"replica-announce-ip "+host)...)
	c := dial(t, master.addr, password)
	until(t, "the replica is online", func() bool {
		in, err := c.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, seen := range in.Replicas {
			if seen.Addr == r.addr && seen.State == "online" {
				return true
			}
		}
		return false
	})
	return r
}

// stop freezes a process, so that it accepts connections and answers nothing.
func stop(t *testing.T, p *process) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func cont(t *testing.T, p *process) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
