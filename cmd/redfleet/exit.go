package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/redfleet/redfleet/internal/consul"
)

// The exit codes, which scripts rely on; docs/json.md lists them.
const (
	exitGood        = 0
	exitOther       = 1
	exitPending     = 2
	exitCheckFailed = 3
	exitHalted      = 4
	exitLocked      = 5
	exitUnreachable = 6
	exitUsage       = 64
)

// exitError carries an exit code with the reason for it. An empty reason is
// one that stdout has given already.
type exitError struct {
	code int
	err  error
}

// Error is the reason alone.
func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap gives the reason to errors.Is.
func (e *exitError) Unwrap() error { return e.err }

// usagef is a command line that cannot be understood.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode is the code of an error: its own, else that of its cause.
func exitCode(err error) int {
	var own *exitError
	switch {
	case err == nil:
		return exitGood
	case errors.As(err, &own):
		return own.code
	case errors.Is(err, consul.ErrConflict):
		return exitLocked
	case errors.Is(err, consul.ErrOut), errors.Is(err, context.DeadlineExceeded):
		return exitUnreachable
	default:
		return exitOther
	}
}
