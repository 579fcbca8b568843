package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/internal/fleet"
)

func TestDirectives(t *testing.T) {
	known, err := installed(t).Directives(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"maxmemory", "appendonly", "save", "replicaof", "slaveof", "databases", "include", "user", "loadmodule", "rename-command"} {
		if !known[name] {
			t.Errorf("%s is not among %d known directives", name, len(known))
		}
	}
	if known["maxmemry"] {
		t.Error("maxmemry is known")
	}
}

// TestUnlistedAreTaken holds the hand-kept list against the engine: it must
// know each name (if only to say what is wrong with the value).
func TestUnlistedAreTaken(t *testing.T) {
	e := installed(t)
	if e.Version.Major() != 7 {
		t.Logf("the list was made from Redis 7.0; this is %s", e)
	}
	arguments := map[string]string{"user": "somebody on", "rename-command": "KEYS nokeys", "lua-replicate-commands": "yes"}
	for _, name := range unlisted() {
		argument, ok := arguments[name]
		if !ok {
			argument = "1"
		}
		err := e.try(t.Context(), []string{name + " " + argument}, nil)
		var refused *refusal
		if errors.As(err, &refused) && strings.Contains(refused.output, "Bad directive") {
			t.Errorf("%s: %s", name, refused.output)
		}
	}
}

func TestCheckDirectives(t *testing.T) {
	tests := []struct {
		name   string
		config fleet.Directives
		want   map[string]string // path to a part of its message
	}{
		{name: "nothing", config: nil},
		{name: "all good", config: fleet.Directives{
			"maxmemory": {"512mb"}, "MAXMEMORY-POLICY": {"allkeys-lru"}, "appendonly": {"yes"}, "save": {"900 1", "300 10"},
			"client-output-buffer-limit": {"normal 0 0 0", "pubsub 32mb 8mb 60"}, "databases": {"32"}, "min-slaves-to-write": {"0"},
		}},
		{name: "save turned off", config: fleet.Directives{"save": {""}}},
		{name: "unknown", config: fleet.Directives{"maxmemry": {"1gb"}}, want: map[string]string{
			"config.maxmemry": "does not know this directive; did you mean maxmemory?"}},
		{name: "unknown and unlike any", config: fleet.Directives{"quux-frobnicate": {"1", "2"}}, want: map[string]string{
			"config.quux-frobnicate": "does not know this directive"}},
		{name: "bad value", config: fleet.Directives{"maxmemory": {"lots"}}, want: map[string]string{
			"config.maxmemory": "refuses the value: argument must be a memory value"}},
		{name: "bad value of what is fixed at start", config: fleet.Directives{"databases": {"0"}}, want: map[string]string{
			"config.databases": "refuses the value: argument must be between 1 and"}},
		{name: "one of several values", config: fleet.Directives{"client-output-buffer-limit": {"normal 0 0 0", "nobody 1 2 3"}}, want: map[string]string{
			"config.client-output-buffer-limit": "refuses value 2 of 2: "}},
		{name: "too many arguments", config: fleet.Directives{"maxmemory": {"1gb 2gb"}}, want: map[string]string{
			"config.maxmemory": "refuses the value: wrong number of arguments"}},
		{name: "unbalanced quotes", config: fleet.Directives{"maxmemory": {`"1gb`}}, want: map[string]string{
			"config.maxmemory": "check its quotes"}},
		{name: "a line smuggled in", config: fleet.Directives{"maxmemory": {"1gb\nport 7000"}}, want: map[string]string{
			"config.maxmemory": "line breaks"}},
		{name: "owned", config: fleet.Directives{"port": {"7000"}}, want: map[string]string{
			"config.port": "redfleet sets port itself; set port in the [[group]] instead"}},
		{name: "everything at once", config: fleet.Directives{
			"appendfsync": {"sometimes"}, "requirepass": {"secret-text"}, "maxmemory": {"1gb"}, "hz": {"fast"},
			"tcp-keepalife": {"1"}, "io-threads": {"100000"}}, want: map[string]string{
			"config.appendfsync":   "must be one of the following: everysec, always, no",
			"config.requirepass":   "set password in the [[group]]",
			"config.hz":            "refuses the value",
			"config.tcp-keepalife": "did you mean tcp-keepalive?",
			"config.io-threads":    "argument must be between 1 and 128",
		}},
	}
	e := installed(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			problems := e.CheckDirectives(t.Context(), tt.config)
			got := map[string]string{}
			for _, p := range problems {
				got[p.Path] = p.Message
				if strings.Contains(p.Message, "secret-text") {
					t.Errorf("the message shows the value: %s", p.Message)
				}
				if want, ok := tt.want[p.Path]; !ok || !strings.Contains(p.Message, want) {
					t.Errorf("%s: %q; want %q", p.Path, p.Message, want)
				}
			}
			if len(got) != len(tt.want) || len(problems) != len(tt.want) {
				t.Errorf("got %v", problems)
			}
		})
	}
}

// TestNothingIsLeftBehind: process and folder are gone after each way to end.
func TestNothingIsLeftBehind(t *testing.T) {
	e := installed(t)
	failed := errors.New("asked in vain")
	tests := []struct {
		name  string
		lines []string
		ask   func(context.Context, *redis.Client) error
		check func(error) bool
	}{
		{name: "good", check: func(err error) bool { return err == nil }},
		{name: "refused", lines: []string{"maxmemory lots"}, check: func(err error) bool {
			var r *refusal
			return errors.As(err, &r)
		}},
		{name: "the question fails", ask: func(context.Context, *redis.Client) error { return failed },
			check: func(err error) bool { return errors.Is(err, failed) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmp := t.TempDir()
			t.Setenv("TMPDIR", tmp)
			pid, mode := 0, os.FileMode(0)
			err := e.try(t.Context(), tt.lines, func(ctx context.Context, c *redis.Client) error {
				pid, mode = lookInside(t, ctx, c, tmp)
				if tt.ask != nil {
					return tt.ask(ctx, c)
				}
				return nil
			})
			if !tt.check(err) {
				t.Errorf("got %v", err)
			}
			if left, _ := os.ReadDir(tmp); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if pid == 0 {
				return // it never ran
			}
			if mode.Perm() != 0o700 {
				t.Errorf("the folder's mode was %v", mode)
			}
			if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid))); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("process %d is still there: %v", pid, err)
			}
		})
	}
}

// lookInside asks a scratch server who it is, and that it has no port.
func lookInside(t *testing.T, ctx context.Context, c *redis.Client, tmp string) (pid int, mode os.FileMode) {
	t.Helper()
	info, err := c.InfoMap(ctx, "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	pid, err = strconv.Atoi(info["Server"]["process_id"])
	if err != nil {
		t.Fatal(err)
	}
	if port := info["Server"]["tcp_port"]; port != "0" {
		t.Errorf("it listens on port %s", port)
	}
	dirs, err := filepath.Glob(filepath.Join(tmp, "redfleet-engine-*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("folders: %v, %v", dirs, err)
	}
	stat, err := os.Stat(dirs[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid, stat.Mode()
}

// TestAStartThatHangsIsEnded: a program that never answers is killed when the
// context ends, and its folder goes.
func TestAStartThatHangsIsEnded(t *testing.T) {
	e := installed(t)
	started := filepath.Join(t.TempDir(), "started")
	e.Server = program(t, ": >'"+started+"'; exec sleep 60")
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched := make(chan struct{})
	go func() { // one that ends before the program was started is told in other words
		defer close(watched)
		for _, err := os.Stat(started); err != nil && ctx.Err() == nil; _, err = os.Stat(started) {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	defer func() { cancel(); <-watched }()
	problems := e.CheckDirectives(ctx, fleet.Directives{"maxmemory": {"1gb"}})
	if len(problems) != 1 || problems[0].Path != "config" || !strings.Contains(problems[0].Message, "not ready in time") {
		t.Errorf("got %v", problems)
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestAnotherRefusal: a start that fails for no line of the file is told in the
// engine's own words.
func TestAnotherRefusal(t *testing.T) {
	e := installed(t)
	e.Server = program(t, "echo 'cannot load a library'; exit 1")
	got := e.CheckDirectives(t.Context(), fleet.Directives{"maxmemory": {"1gb"}})
	want := []fleet.Problem{{Path: "config", Message: e.String() +
		" could not be asked about these directives: the engine did not start: cannot load a library"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, err := e.Directives(t.Context())
	if err == nil || !strings.Contains(err.Error(), "cannot load a library") {
		t.Errorf("got %v", err)
	}
}

func TestATooLongTemporaryFolder(t *testing.T) {
	e := installed(t)
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	if _, err := e.Directives(t.Context()); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("got %v", err)
	}
}
