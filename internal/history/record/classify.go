package record

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/redfleet/redfleet/internal/history"
)

// classify says what an error of go-redis means to a client. Redis names its own
// errors by their first word.
func classify(err error) history.Class {
	if err == nil {
		return history.OK
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		word, _, _ := strings.Cut(cause.Error(), " ")
		if class, known := replies()[word]; known {
			return class
		}
	}
	var timeout net.Error
	switch text := err.Error(); {
	case strings.Contains(text, "all sentinels specified"), strings.Contains(text, "sentinels are unreachable"):
		return history.NoMaster
	case errors.Is(err, syscall.ECONNREFUSED):
		return history.Refused
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), strings.Contains(text, "pool timeout"):
		return history.Timeout
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrUnexpectedEOF):
		return history.Broken
	}
	return history.Other
}

// outcome is what became of one command of a pipeline: by its own error, else, where
// it has no answer, by the pipeline's. go-redis leaves a command without an error
// when the connection could not be made.
func outcome(own error, answered bool, whole error) history.Class {
	switch {
	case own != nil:
		return classify(own)
	case answered:
		return history.OK
	case whole != nil:
		return classify(whole)
	}
	return history.Other
}

// replies are the first words of Redis's own errors.
func replies() map[string]history.Class {
	return map[string]history.Class{
		"READONLY":   history.ReadOnly,
		"NOREPLICAS": history.NoReplicas,
		"LOADING":    history.Loading,
		"MASTERDOWN": history.MasterDown,
		"MISCONF":    history.NotWritable,
		"WRONGPASS":  history.Credentials,
		"NOAUTH":     history.Credentials,
		"NOPERM":     history.Credentials,
	}
}
