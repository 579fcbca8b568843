package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/redfleet/redfleet/internal/consul"
)

func TestExitCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		want int
	}{
		"good":             {nil, 0},
		"any error":        {errors.New("x"), 1},
		"check failed":     {&exitError{code: exitCheckFailed}, 3},
		"lock":             {fmt.Errorf("apply: %w", consul.ErrConflict), 5},
		"unreachable":      {fmt.Errorf("read: %w", consul.ErrOut), 6},
		"timeout":          {fmt.Errorf("wait: %w", context.DeadlineExceeded), 6},
		"denied":           {consul.ErrDenied, 1},
		"usage":            {usagef("x"), 64},
		"own before cause": {&exitError{exitLocked, consul.ErrOut}, 5},
		"own, wrapped":     {fmt.Errorf("y: %w", usagef("x")), 64},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := exitCode(tc.err); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string
	}{
		"verb":            {[]string{"statsu"}, `unknown verb "statsu"; did you mean "status"?`},
		"verb of the lab": {[]string{"lab", "dwon"}, `did you mean "down"?`},
		"far off":         {[]string{"xyzzy"}, `unknown verb "xyzzy"; see: redfleet --help`},
		"flag":            {[]string{"status", "--wach"}, "did you mean --watch?"},
		"flag value":      {[]string{"events", "--since", "soon"}, "--since"},
		"output":          {[]string{"status", "-o", "jsn"}, `did you mean "json"?`},
		"missing":         {[]string{"apply"}, "FILE is missing"},
		"too many":        {[]string{"version", "now"}, `"now" is one argument too many`},
		"two groups":      {[]string{"verify", "a", "b"}, "usage:"},
		"no fleet":        {[]string{"status"}, "REDFLEET_FLEET"},
		"bad fleet":       {[]string{"status", "--fleet", "Shop/1"}, `"Shop/1" cannot be the name`},
		"no nodes":        {[]string{"lab", "up", "--nodes", "0"}, "--nodes 0: write 1 or more"},
		"unknown part":    {[]string{"lab", "kill", "n1", "--only", "xyzzy"}, "known are redis, sentinel, agent, coordinator"},
		"part":            {[]string{"lab", "kill", "n1", "--only", "sentinal"}, `did you mean "sentinel"?`},
	}
	t.Setenv("REDFLEET_FLEET", "")
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			redfleet(t, tc.args...).want(t, exitUsage, "", tc.want)
		})
	}
}
