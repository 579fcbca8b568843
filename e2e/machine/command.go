package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// markVariable is in the environment of every process that a lab starts on the
// host; its value is the lab's id. Cleaning up and Leftovers find them by it.
const markVariable = "REDFLEET_LAB"

// Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	// Code is the exit status, 128 plus the signal's number where a signal ended it.
	Code int
}

// hostCommand is a command on the host that ends with ctx, with all its children:
// it has a process group of its own, so that an interrupt at the terminal does
// not end it before we clean up, and it dies with us.
func hostCommand(ctx context.Context, mark string, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), markVariable+"="+mark, "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// capture runs a command on the host. That it ended with another status than 0 is
// in Code and no error.
func capture(ctx context.Context, mark string, stdin io.Reader, argv ...string) (Result, error) {
	var stdout, stderr bytes.Buffer
	cmd := hostCommand(ctx, mark, argv...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	r := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("%s: %w", argv[0], context.Cause(ctx))
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			r.Code = 128 + int(ws.Signal())
		}
		return r, nil
	}
	return r, err
}

// must runs a command on the host that has to succeed.
func must(ctx context.Context, mark string, stdin io.Reader, argv ...string) error {
	r, err := capture(ctx, mark, stdin, argv...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("exit status %d", r.Code)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(r.Stderr))
	}
	return nil
}
