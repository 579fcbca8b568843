package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

// installed is the engine of this machine; the tests need one.
func installed(t *testing.T) Engine {
	t.Helper()
	e, err := Find(t.Context(), fleet.EngineRedis, "")
	if err != nil {
		t.Fatalf("these tests need redis-server in PATH: %v", err)
	}
	return e
}

// program writes a stand-in for a version that is not installed.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server")
	// A process forked while the file is open for writing makes it "busy" to run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindInstalled(t *testing.T) {
	e := installed(t)
	if !filepath.IsAbs(e.Server) || e.Version.Major() < 6 {
		t.Errorf("got %s at %s", e, e.Server)
	}
	if diff := cmp.Diff([]string{e.Server, "/c/sentinel.conf", "--sentinel"}, e.SentinelArgv("/c/sentinel.conf")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{e.Server, "/c/redis.conf"}, e.ServerArgv("/c/redis.conf")); diff != "" {
		t.Error(diff)
	}
}

func TestFindByVersion(t *testing.T) {
	tests := []struct {
		name, engine, script string
		want                 string
		err                  error
		says                 string
	}{
		{name: "redis 8", engine: "redis", script: "echo 'Redis server v=8.2.1 sha=00000000:1 malloc=jemalloc-5.3.0 bits=64 build=1'", want: "redis 8.2.1"},
		{name: "the least redis", engine: "redis", script: "echo 'Redis server v=6.2.0 sha=0:0'", want: "redis 6.2.0"},
		{name: "valkey", engine: "valkey", script: "echo 'Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64'", want: "valkey 8.1.1"},
		{name: "a warning before the version", engine: "redis", script: "echo 'no locale' >&2; echo 'Redis server v=7.2.4 sha=0:0'", want: "redis 7.2.4"},
		{name: "too old", engine: "redis", script: "echo 'Redis server v=6.0.16 sha=0:0'", err: ErrTooOld, says: "6.2 is the least, because an older Sentinel"},
		{name: "much too old", engine: "redis", script: "echo 'Redis server v=5.0.3 sha=0:0'", err: ErrTooOld, says: "redis 5.0.3"},
		{name: "valkey under the name of redis", engine: "redis", script: "echo 'Valkey server v=8.1.1 sha=0:0'", err: ErrOther, says: `engine = "valkey"`},
		{name: "redis under the name of valkey", engine: "valkey", script: "echo 'Redis server v=7.0.15 sha=0:0'", err: ErrOther, says: `engine = "redis"`},
		{name: "no engine at all", engine: "redis", script: "echo 'memcached 1.6.18'", err: ErrOther, says: "neither Redis nor Valkey"},
		{name: "fails", engine: "redis", script: "echo 'libssl.so.3: not found' >&2; exit 127", says: "libssl.so.3: not found"},
		{name: "odd version", engine: "redis", script: "echo 'Redis server v=latest sha=0:0'", says: `"latest"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := Find(t.Context(), tt.engine, program(t, tt.script))
			if tt.want != "" {
				if err != nil || e.String() != tt.want {
					t.Fatalf("got %v, %v; want %s", e, err, tt.want)
				}
				return
			}
			if err == nil || tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %v; want %v with %q", err, tt.err, tt.says)
			}
		})
	}
}

func TestFindMissing(t *testing.T) {
	none := filepath.Join(t.TempDir(), "redis-server")
	_, err := Find(t.Context(), fleet.EngineRedis, none)
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "apt-get install redis-server") || !strings.Contains(err.Error(), none) {
		t.Errorf("got %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = Find(t.Context(), fleet.EngineValkey, "")
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "apt-get install valkey-server") {
		t.Errorf("got %v", err)
	}
	if _, err := Find(t.Context(), "memcached", ""); err == nil || !strings.Contains(err.Error(), "unknown engine") {
		t.Errorf("got %v", err)
	}
}

func TestFindEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Find(ctx, fleet.EngineRedis, program(t, "exec sleep 60"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
