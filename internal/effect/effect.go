// Package effect runs every change that redfleet makes to the world — a file, a
// process, a Redis command, a Consul write — under a label, so that a test can
// cut the program before or after any of them (promise resumable). A lint in
// this package refuses an effect that is outside of a label.
package effect

import (
	"context"
	"fmt"
)

// Label names one effect. Each is listed once in its package's Labels.
type Label string

// Point is a place at which an effect can be cut.
type Point string

// The two points of each effect.
const (
	Before Point = "before"
	After  Point = "after"
)

// Hook is asked at each point; an error from it stops the program there, as a
// crash would. Production runs without one.
type Hook func(ctx context.Context, l Label, at Point) error

// Runner runs effects. The zero value has no hook.
type Runner struct{ hook Hook }

// New gives a Runner that asks hook at each point; hook may be nil.
func New(hook Hook) Runner { return Runner{hook: hook} }

// Do runs f under the label l. The error of f comes back with the label before
// it, so that a log line tells which effect failed.
func (r Runner) Do(ctx context.Context, l Label, f func(ctx context.Context) error) error {
	if err := r.ask(ctx, l, Before); err != nil {
		return err
	}
	if err := f(ctx); err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return r.ask(ctx, l, After)
}

// Reached asks the hook for the After of an effect whose function goes on for as
// long as the effect holds, such as a lease.
func (r Runner) Reached(ctx context.Context, l Label) error { return r.ask(ctx, l, After) }

func (r Runner) ask(ctx context.Context, l Label, at Point) error {
	if r.hook == nil {
		return nil
	}
	return r.hook(ctx, l, at)
}
