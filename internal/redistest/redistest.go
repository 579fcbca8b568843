// Package redistest runs real redis-server and redis-sentinel processes for
// tests. It starts them from a file that the test made, waits until they answer
// and ends them, by their pid, with the test.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Patience is how long a condition may take before a test fails.
const Patience = 10 * time.Second

// Proc is one running process.
type Proc struct {
	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{}
	output *bytes.Buffer
	// Client is connected to it with its password.
	Client *redis.Client
}

// Start runs redis-server with a configuration file and further arguments
// ("--sentinel") and waits until it answers PING at addr.
func Start(t testing.TB, conf, addr, password string, args ...string) *Proc {
	t.Helper()
	p := &Proc{t: t, exited: make(chan struct{}), output: &bytes.Buffer{}}
	p.cmd = exec.Command("redis-server", append([]string{conf}, args...)...)
	p.cmd.Dir = filepath.Dir(conf)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait()
	}()
	p.Client = redis.NewClient(&redis.Options{
		Addr: addr, Password: password, Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: 1,
	})
	t.Cleanup(func() {
		p.Stop(syscall.SIGKILL)
		_ = p.Client.Close()
	})
	p.awaitPing()
	return p
}

func (p *Proc) awaitPing() {
	p.t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := p.Client.Ping(context.Background()).Err()
		if err == nil {
			return
		}
		if gone := p.gone(); gone || time.Now().After(deadline) {
			p.Stop(syscall.SIGKILL)
			p.t.Fatalf("redis-server does not answer (ended: %v): %v\n%s", gone, err, p.output)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (p *Proc) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Stop sends a signal and waits for the end of the process.
func (p *Proc) Stop(sig syscall.Signal) {
	p.t.Helper()
	if p.gone() {
		return
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal redis-server: %v", err)
	}
	select {
	case <-p.exited:
	case <-time.After(Patience):
		_ = p.cmd.Process.Kill()
		<-p.exited
		p.t.Errorf("redis-server did not end on %v", sig)
	}
}

// Do runs one command and fails the test on an error.
func (p *Proc) Do(args ...any) any {
	p.t.Helper()
	reply, err := p.Client.Do(context.Background(), args...).Result()
	if err != nil {
		p.t.Fatalf("%v: %v", args[0], err)
	}
	return reply
}

// Info gives one field of INFO, empty where it is not there.
func (p *Proc) Info(field string) string {
	p.t.Helper()
	for line := range strings.Lines(fmt.Sprint(p.Do("INFO"))) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return value
		}
	}
	return ""
}

// Until waits until ok answers true and fails the test with what otherwise.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Write puts a configuration file of mode 0600 into a folder of its own.
func Write(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
