package consultest

import (
	"bytes"
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

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/redistest"
)

// StartReal runs a real `consul agent -dev` on free loopback ports until the test
// ends, and gives its HTTP address, host:port, once it takes writes. More HCL for
// its configuration may be given, as for ACLs; readiness is then an answer only.
//
// It takes the consul on PATH, else the one that .ci/consul has built or builds
// now. It fails the test where none can be had, and never skips it.
func StartReal(t testing.TB, hcl ...string) (addr string) {
	t.Helper()
	addr, _ = StartRealDNS(t, hcl...)
	return addr
}

// StartRealDNS is StartReal and gives the address of Consul's DNS too.
func StartRealDNS(t testing.TB, hcl ...string) (addr, dns string) {
	t.Helper()
	a := startReal(t, hcl...)
	return a.addr, a.dns
}

func startReal(t testing.TB, hcl ...string) *agent {
	t.Helper()
	binary := findBinary(t)
	var problem error
	// Its UDP ports are not held, and can be taken: then once more.
	for range 3 {
		var a *agent
		if a, problem = startAgent(t, binary, hcl); problem != nil {
			continue
		}
		if problem = a.awaitReady(len(hcl) > 0); problem == nil {
			return a
		}
	}
	t.Fatalf("starting a real Consul: %v", problem)
	return nil
}

func findBinary(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("consul"); err == nil {
		return path
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatalf("looking for .ci/consul: %v", err)
	}
	var out, progress bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, ".ci", "consul"))
	cmd.Stdout, cmd.Stderr = &out, &progress
	if err := cmd.Run(); err != nil {
		t.Fatalf("no consul on PATH and .ci/consul could not build one: %v\n%s", err, progress.Bytes())
	}
	return strings.TrimSpace(out.String())
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the test's folder")
		}
		dir = parent
	}
}

// agent is one running consul process.
type agent struct {
	addr, dns string
	log       string
	// ended is closed when the process is gone.
	ended chan struct{}
}

func startAgent(t testing.TB, binary string, hcl []string) (*agent, error) {
	t.Helper()
	var ports [4]int
	for i := range ports {
		ports[i] = redistest.FreePort(t, "127.0.0.1")
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`
ports { http = %d, server = %d, serf_lan = %d, serf_wan = -1, dns = %d, grpc = -1, grpc_tls = -1, https = -1 }
disable_update_check = true
bind_addr = "127.0.0.1"
client_addr = "127.0.0.1"
node_name = "%s"
log_level = "warn"
%s`, ports[0], ports[1], ports[2], ports[3], NodeName, strings.Join(hcl, "\n"))
	file := filepath.Join(dir, "agent.hcl")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "consul.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(binary, "agent", "-dev", "-config-file", file)
	cmd.Stdout, cmd.Stderr = log, log
	// Should the test die by a signal, Consul must not be left behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", binary, err)
	}
	a := &agent{
		addr:  net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])),
		dns:   net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[3])),
		log:   log.Name(),
		ended: make(chan struct{}),
	}
	go func() {
		_ = cmd.Wait()
		close(a.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-a.ended
	})
	return a, nil
}

// awaitReady waits until Consul answers and, unless answerOnly, until a session
// can be made: that needs a leader that has registered the node.
func (a *agent) awaitReady(answerOnly bool) error {
	client, err := consul.New(consul.Options{Address: a.addr, Timeout: 2 * time.Second})
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if _, last = client.Leader(ctx); last == nil {
			if answerOnly {
				return nil
			}
			var id string
			if id, last = client.CreateSession(ctx, "ready?", time.Minute, 0); last == nil {
				return client.DestroySession(ctx, id)
			}
		}
		select {
		case <-a.ended:
			return fmt.Errorf("it ended by itself; the end of its log: %s", a.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("it was not ready within 30 s: %w; the end of its log: %s", last, a.tail())
}

func (a *agent) tail() []byte {
	text, err := os.ReadFile(a.log)
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-2000):]
}

// FreeAddr is a loopback address that nobody listens on, host:port, and that nobody else
// is given before the test ends.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(redistest.FreePort(t, "127.0.0.1")))
}
