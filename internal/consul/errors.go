package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"
)

// What a caller can do about an error, for errors.Is.
var (
	// ErrOut: Consul cannot be reached, has no leader, or failed by itself. It
	// proves nothing about what was asked: a write may have happened or not.
	// Nothing on a node may change because of it (promise fail-static).
	ErrOut = errors.New("Consul is out")
	// ErrDenied: Consul refused the token. Trying again does not help. The error
	// is then a *DeniedError where Consul said which right is missing.
	ErrDenied = errors.New("Consul refused the token")
	// ErrNoACL: Consul has its ACLs switched off, so there is nothing to ask for.
	ErrNoACL = errors.New("Consul has its ACLs switched off")
	// ErrConflict: a transaction was rolled back as a whole, because one of its
	// conditions did not hold. The error is then a *ConflictError.
	ErrConflict = errors.New("the transaction was rolled back")
	// ErrSessionGone: the session has ended.
	ErrSessionGone = errors.New("the session is gone")
	// ErrLeaseLost: this process does not hold the lease, or can no longer be
	// sure that it does.
	ErrLeaseLost = errors.New("the lease is lost")
	// ErrTooLarge: a transaction or value is over Consul's limits (hazard K3).
	ErrTooLarge = errors.New("too large for Consul")
)

// classify turns an error of the api package into one of the above and says what
// was being done. ctx is the caller's, without the request's own timeout.
func classify(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if errors.Is(err, ErrDenied) { // found out by ourselves
		return fmt.Errorf("%s: %w", what, err)
	}
	var status api.StatusError
	if !errors.As(err, &status) {
		// Not an answer of Consul at all: refused, reset, timed out, garbled.
		return fmt.Errorf("%s: %w: %w", what, ErrOut, err)
	}
	return fmt.Errorf("%s: %w", what, statusError(status))
}

func statusError(s api.StatusError) error {
	body := strings.TrimSpace(s.Body)
	switch {
	case s.Code == http.StatusUnauthorized && strings.Contains(body, "ACL support disabled"):
		return ErrNoACL
	case s.Code == http.StatusForbidden || s.Code == http.StatusUnauthorized:
		return deniedError(body)
	case s.Code == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %s", ErrTooLarge, body)
	case strings.Contains(body, "invalid session"):
		// Consul answers an acquire with a session that has ended by a 500.
		return fmt.Errorf("%w: %s", ErrSessionGone, body)
	case strings.Contains(body, "Session TTL"):
		// A 500 too, but it is the request that is wrong.
		return errors.New(body)
	case s.Code >= 500 || s.Code == http.StatusTooManyRequests:
		return fmt.Errorf("%w: it answered %d: %s", ErrOut, s.Code, body)
	default:
		return fmt.Errorf("Consul answered %d: %s", s.Code, body)
	}
}

// ignoreNotFound makes a 404 on removal a success: it is gone, as was asked.
func ignoreNotFound(err error) error {
	var status api.StatusError
	if errors.As(err, &status) && status.Code == http.StatusNotFound {
		return nil
	}
	return err
}
