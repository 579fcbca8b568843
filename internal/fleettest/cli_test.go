package fleettest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redistest"
)

const (
	redisPort    = 6379
	sentinelPort = 26379
)

// cli runs the real redis-cli against node n<i>, as an operator does. The
// password goes in by AUTH on standard input, never by an argument or the
// environment (promise secrets-stay-secret). A line that is refused fails the
// test.
func cli(t *testing.T, f *Fleet, i, port int, lines ...string) string {
	t.Helper()
	return cliWith(t, f, i, port, f.Password(), lines...)
}

// cliWith is cli with a password of its own.
func cliWith(t *testing.T, f *Fleet, i, port int, password string, lines ...string) string {
	t.Helper()
	out := cliTry(t, f, i, port, password, lines...)
	for line := range strings.Lines(out) {
		for _, refused := range []string{"ERR ", "NOAUTH", "WRONGPASS", "NOPERM", "Could not connect", "AUTH failed"} {
			if strings.HasPrefix(line, refused) {
				t.Fatalf("redis-cli on n%d:%d with %q: %s", i, port, lines, out)
			}
		}
	}
	return out
}

// cliTry is cliWith where a refusal is an answer too.
func cliTry(t *testing.T, f *Fleet, i, port int, password string, lines ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "redis-cli", "-h", f.Host(i), "-p", strconv.Itoa(port), "--no-auth-warning")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(strings.Join(append([]string{"AUTH " + password}, lines...), "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli on n%d:%d with %q: %v\n%s", i, port, lines, err, out)
	}
	return string(out)
}

// foreign starts a server or a sentinel that belongs to no group, with the
// group's password; it ends with the test. host is the last number of its address.
func foreign(t *testing.T, f *Fleet, host int, port int, conf string, args ...string) fleet.Addr {
	t.Helper()
	addr := fleet.Addr{Host: fmt.Sprintf("%s%d", f.Net, host), Port: port}
	dir := t.TempDir()
	head := fmt.Sprintf("bind %s\nport %d\ndir %s\nrequirepass %s\nsave \"\"\n", addr.Host, port, dir, f.Password())
	if len(args) > 0 { // a sentinel knows fewer directives
		head = fmt.Sprintf("bind %s\nport %d\ndir %s\nrequirepass %s\n", addr.Host, port, dir, f.Password())
	}
	path := redistest.Write(t, dir, "foreign.conf", []byte(head+conf))
	redistest.Start(t, path, net.JoinHostPort(addr.Host, strconv.Itoa(port)), f.Password(), args...)
	return addr
}

// signal sends a signal to the process of an instance of node n<i>.
func signal(t *testing.T, f *Fleet, i int, kind fleet.Kind, sig syscall.Signal) {
	t.Helper()
	port := redisPort
	if kind == fleet.KindSentinel {
		port = sentinelPort
	}
	st, err := f.Units(i).Status(t.Context(), fleet.NewInstanceID(kind, "main", port))
	if err != nil {
		t.Fatal(err)
	}
	if st.State != fleet.UnitActive {
		t.Fatalf("%s of n%d is %s", kind, i, st.State)
	}
	if err := syscall.Kill(st.PID, sig); err != nil {
		t.Fatal(err)
	}
}

// restartAgent ends the agent of node n<i> and starts it again: it then looks
// at everything anew, which saves a test the wait for the next look.
func restartAgent(t *testing.T, f *Fleet, i int) {
	t.Helper()
	stopAgent(t, f, i)
	f.StartAgent(i, nil)
}

func stopAgent(t *testing.T, f *Fleet, i int) {
	t.Helper()
	f.mu.Lock()
	d := f.running[fmt.Sprintf("agent-%d", i)]
	f.mu.Unlock()
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
}

// folder is the folder of an instance on node n<i>.
func folder(f *Fleet, i int, kind fleet.Kind) string {
	port := redisPort
	if kind == fleet.KindSentinel {
		port = sentinelPort
	}
	return filepath.Join(f.AgentConfig(i).DataDir, string(fleet.NewInstanceID(kind, "main", port)))
}
