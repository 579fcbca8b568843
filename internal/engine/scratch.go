package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	confName   = "redis.conf"
	socketName = "s"
	// maxSocketPath is sockaddr_un's 108 bytes less the zero at its end.
	maxSocketPath = 107
	// pollEvery is how often a start is looked at; a start takes about 20 ms.
	pollEvery = 3 * time.Millisecond
)

// scratchLines begin the configuration of a scratch server: no port, nothing on
// the disk, everything in the folder that it is started in. They come first, so
// that lines under test stand after them.
func scratchLines() []string {
	return []string{
		"port 0",
		"unixsocket " + socketName,
		"unixsocketperm 700",
		"daemonize no",
		`save ""`,
		"appendonly no",
		`logfile ""`,
	}
}

// scratch is an engine that runs for a moment, to be asked. It listens only on
// a socket in a folder of its own (mode 0700), holds no data and no password.
type scratch struct {
	dir    string
	cmd    *exec.Cmd
	output *tail
	ended  chan struct{} // closed when the process is gone
	kill   context.CancelFunc
}

// refusal is a start that the engine ended itself.
type refusal struct{ output string }

func (r *refusal) Error() string {
	return "the engine did not start: " + lastLine(r.output)
}

// try starts the engine with lines after scratchLines, calls ask once it answers
// (ask may be nil), and ends it. Process and folder are gone when try returns,
// whatever happened; it takes 5 s at most and the time of one kill. The error is
// a *refusal where the engine ended by itself.
func (e Engine) try(ctx context.Context, lines []string, ask func(context.Context, *redis.Client) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "redfleet-engine-")
	if err != nil {
		return fmt.Errorf("make a folder to try the engine in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := e.start(ctx, dir, lines)
	if err != nil {
		return err
	}
	defer s.end()
	if err := s.ready(ctx); err != nil {
		return err
	}
	client := s.dial()
	defer client.Close()
	if ask != nil {
		err = ask(ctx, client)
	}
	// Asked politely it leaves at once; end kills it if it does not. The reply is
	// that the connection closes, which is no error here.
	_ = client.ShutdownNoSave(ctx).Err()
	return err
}

func (e Engine) start(ctx context.Context, dir string, lines []string) (*scratch, error) {
	if n := len(filepath.Join(dir, socketName)); n > maxSocketPath {
		return nil, fmt.Errorf("the folder for temporary files has too long a name for a socket (%d bytes, %d fit); "+
			"set TMPDIR to a shorter one", n, maxSocketPath)
	}
	conf := strings.Join(append(scratchLines(), lines...), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, confName), []byte(conf), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration to try: %w", err)
	}
	ctx, kill := context.WithCancel(ctx)
	s := &scratch{dir: dir, output: &tail{}, ended: make(chan struct{}), kill: kill}
	s.cmd = exec.CommandContext(ctx, e.Server, confName)
	s.cmd.Dir = dir
	s.cmd.Env = []string{"LC_ALL=C"} // nothing of ours is its business
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	s.cmd.WaitDelay = time.Second
	// Should this process be killed, its scratch server goes too.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		kill()
		return nil, fmt.Errorf("start %s: %w", e.Server, err)
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // how it ended shows in what it wrote
	}()
	return s, nil
}

// ready waits until the socket takes connections.
func (s *scratch) ready(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", filepath.Join(s.dir, socketName))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			if ctx.Err() != nil {
				return fmt.Errorf("the engine was not ready in time: %w", ctx.Err())
			}
			return &refusal{output: s.output.String()}
		case <-ctx.Done():
			return fmt.Errorf("the engine was not ready in time: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// dial gives a client that makes no second try and sends nothing unasked.
func (s *scratch) dial() *redis.Client {
	return redis.NewClient(&redis.Options{
		Network: "unix", Addr: filepath.Join(s.dir, socketName),
		Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1, PoolSize: 1,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// end waits a moment for the process to go, then kills it and waits.
func (s *scratch) end() {
	defer s.kill()
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-s.ended:
		return
	case <-patience.C:
	}
	s.kill()
	<-s.ended
}

// tail keeps the end of what a process wrote. It is written by one goroutine,
// which has ended before it is read.
type tail struct{ buf bytes.Buffer }

const tailSize = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.buf.Write(p)
	if over := t.buf.Len() - tailSize; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string { return t.buf.String() }

// lastLine is what a program said before it ended, short enough for an error.
func lastLine(out string) string {
	out = strings.TrimSpace(out)
	return firstLine([]byte(out[strings.LastIndexByte(out, '\n')+1:]))
}
