package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// consulAgent is a real Consul of our own, alone on loopback.
type consulAgent struct {
	addr  string // of its HTTP API
	cmd   *exec.Cmd
	ended chan error
}

// startConsul takes the binary that .ci/consul finds or builds, and returns once
// Consul takes writes.
func startConsul(ctx context.Context, dir string) (*consulAgent, error) {
	out, err := command(ctx, ".ci/consul")
	if err != nil {
		return nil, err
	}
	binary := strings.TrimSpace(out)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "agent.hcl")
	text := fmt.Sprintf(`
ports { http = %d, server = %d, serf_lan = %d, serf_wan = -1, dns = -1, grpc = -1, grpc_tls = -1, https = -1 }
disable_update_check = true
bind_addr   = "127.0.0.1"
client_addr = "127.0.0.1"
node_name   = "bench"
log_level   = "warn"
`, ports[0], ports[1], ports[2])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "consul.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	c := &consulAgent{
		addr:  net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])),
		cmd:   exec.Command(binary, "agent", "-dev", "-config-file", config),
		ended: make(chan error, 1),
	}
	c.cmd.Stdout, c.cmd.Stderr = log, log
	// Not in the terminal's group: an interrupt must not end it before the rest.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { c.ended <- c.cmd.Wait() }()
	if err := c.awaitReady(ctx); err != nil {
		_ = c.stop()
		return nil, fmt.Errorf("starting Consul: %w", err)
	}
	return c, nil
}

func (c *consulAgent) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return poll(ctx, 50*time.Millisecond, "Consul takes a write", func() error {
		select {
		case err := <-c.ended:
			c.ended <- err
			return fmt.Errorf("it ended by itself: %w", err)
		default:
		}
		if err := c.request(ctx, http.MethodPut, "/v1/kv/bench/ready"); err != nil {
			return err
		}
		return c.request(ctx, http.MethodDelete, "/v1/kv/bench/ready")
	})
}

func (c *consulAgent) request(ctx context.Context, method, path string) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return nil
}

// stop ends Consul and waits for it; its data was in memory.
func (c *consulAgent) stop() error {
	_ = c.cmd.Process.Kill()
	select {
	case <-c.ended:
		return nil
	case <-time.After(cleanupLimit):
		return fmt.Errorf("consul (pid %d) does not end", c.cmd.Process.Pid)
	}
}

// freePorts asks the kernel for TCP ports that nobody uses.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer func() { _ = ln.Close() }()
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// poll asks until f has no error or the context ends, whose error then says what
// was waited for and what stood in the way.
func poll(ctx context.Context, every time.Duration, what string, f func() error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w; last: %w", what, ctx.Err(), err)
		case <-ticker.C:
		}
	}
}
