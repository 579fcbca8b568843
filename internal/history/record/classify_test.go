package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/redfleet/redfleet/internal/history"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want history.Class
	}{
		{nil, history.OK},
		{errors.New("READONLY You can't write against a read only replica."), history.ReadOnly},
		{errors.New("NOREPLICAS Not enough good replicas to write."), history.NoReplicas},
		{errors.New("LOADING Redis is loading the dataset in memory"), history.Loading},
		{errors.New("MASTERDOWN Link with MASTER is down"), history.MasterDown},
		{errors.New("MISCONF Errors writing to the AOF file: No space left on device"), history.NotWritable},
		{errors.New("WRONGPASS invalid username-password pair or user is disabled."), history.Credentials},
		{errors.New("NOAUTH Authentication required."), history.Credentials},
		{fmt.Errorf("failed to authenticate: %w", errors.New("WRONGPASS invalid")), history.Credentials},
		{errors.New("redis: all sentinels specified in configuration are unreachable: x"), history.NoMaster},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, history.Refused},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, history.Timeout},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), history.Timeout},
		{io.EOF, history.Broken},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, history.Broken},
		{errors.New("ERR something"), history.Other},
	} {
		if got := classify(c.err); got != c.want {
			t.Errorf("%v is %q, want %q", c.err, got, c.want)
		}
	}
}

// TestOutcome: a command of a pipeline whose connection could not be made has
// neither an error nor an answer of its own.
func TestOutcome(t *testing.T) {
	t.Parallel()
	refused := errors.New("WRONGPASS invalid")
	for _, c := range []struct {
		own      error
		answered bool
		whole    error
		want     history.Class
	}{
		{nil, true, nil, history.OK},
		{nil, true, io.EOF, history.OK}, // a later command broke
		{nil, false, refused, history.Credentials},
		{refused, false, io.EOF, history.Credentials},
		{nil, false, nil, history.Other},
	} {
		if got := outcome(c.own, c.answered, c.whole); got != c.want {
			t.Errorf("outcome(%v, %v, %v) is %q, want %q", c.own, c.answered, c.whole, got, c.want)
		}
	}
}
