// Package engine knows the Redis or Valkey that is installed on a machine:
// where it is, which version it has, and which directives it takes. What it
// knows it has from the program itself, which is started for a moment in a
// private folder on a private socket and asked.
package engine

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/redfleet/redfleet/internal/fleet"
)

// What Find can find wrong; each error says what to do.
var (
	// ErrMissing: the program is not installed.
	ErrMissing = errors.New("the engine is not installed")
	// ErrTooOld: it is below 6.2 (hazard E1).
	ErrTooOld = errors.New("the engine is too old")
	// ErrOther: the program is another engine than the one asked for, or none.
	ErrOther = errors.New("the program is not the engine asked for")
)

// probeTimeout bounds each start of the engine's program.
const probeTimeout = 5 * time.Second

// Engine is one installed engine. Its zero value is none.
type Engine struct {
	// Name is fleet.EngineRedis or fleet.EngineValkey.
	Name string
	// Version is the engine's own: Valkey's, not the Redis version that it
	// reports for the sake of old clients (hazard E1).
	Version *semver.Version
	// Server is the absolute path of the program.
	Server string
}

// String is the engine's name and version, as in "redis 7.0.15".
func (e Engine) String() string { return e.Name + " " + e.Version.String() }

// ServerArgv is the command line of a server with its configuration file.
func (e Engine) ServerArgv(conf string) []string { return []string{e.Server, conf} }

// SentinelArgv is the command line of a sentinel: the same program, so that
// one binary is all that a machine needs.
func (e Engine) SentinelArgv(conf string) []string { return []string{e.Server, conf, "--sentinel"} }

// Finder finds an engine by its name, at a path or by the usual name; Find is one.
type Finder func(ctx context.Context, name, path string) (Engine, error)

// Find finds an engine by its name and asks for its version. path is the
// program; empty means the usual name, looked for in PATH. Errors are
// ErrMissing, ErrTooOld, ErrOther, or say why the program could not be run.
// Nothing is started but "--version", for 5 s at most.
func Find(ctx context.Context, name, path string) (Engine, error) {
	program := programOf(name)
	if program == "" {
		return Engine{}, fmt.Errorf("unknown engine %q: it can be %s", name, strings.Join(fleet.Engines(), " or "))
	}
	server, err := locate(program, path)
	if err != nil {
		return Engine{}, err
	}
	product, version, err := askVersion(ctx, server)
	if err != nil {
		return Engine{}, err
	}
	if product != name {
		return Engine{}, fmt.Errorf("%w: %s is %s %s and not %s; name the right program in agent.toml (%s_server), "+
			"or set engine = %q in the spec", ErrOther, server, product, version, name, name, product)
	}
	e := Engine{Name: name, Version: version, Server: server}
	return e, e.supported()
}

// programOf is the program's usual name, which is Debian's package's too.
func programOf(name string) string {
	switch name {
	case fleet.EngineRedis:
		return "redis-server"
	case fleet.EngineValkey:
		return "valkey-server"
	default:
		return ""
	}
}

func locate(program, path string) (string, error) {
	where := "in PATH"
	if path == "" {
		path = program
	} else {
		where = "at " + path
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("%w: no program %s %s; install it (apt-get install %s) or name it in agent.toml: %w",
			ErrMissing, program, where, program, err)
	}
	return filepath.Abs(found)
}

// versionLine is how both engines answer --version, as in "Redis server
// v=7.0.15 sha=00000000:0 …" and "Valkey server v=8.1.1 sha=…".
var versionLine = regexp.MustCompile(`(?m)^(Redis|Valkey) server v=(\S+)`)

func askVersion(ctx context.Context, server string) (product string, version *semver.Version, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, server, "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", nil, fmt.Errorf("%s --version gave no answer in time: %w", server, ctx.Err())
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s --version failed: %w: %s", server, err, firstLine(out))
	}
	found := versionLine.FindSubmatch(out)
	if found == nil {
		return "", nil, fmt.Errorf("%w: %s is neither Redis nor Valkey; it says %q", ErrOther, server, firstLine(out))
	}
	version, err = semver.NewVersion(string(found[2]))
	if err != nil {
		return "", nil, fmt.Errorf("%s has a version that cannot be read, %q: %w", server, found[2], err)
	}
	return strings.ToLower(string(found[1])), version, nil
}

// supported refuses what redfleet cannot run (hazard E1).
func (e Engine) supported() error {
	v := e.Version
	if v.Major() > 6 || v.Major() == 6 && v.Minor() >= 2 {
		return nil
	}
	return fmt.Errorf("%w: %s is %s and 6.2 is the least, because an older Sentinel stops at the line sentinel-pass, "+
		"so sentinels with a password could not reach each other, and an older server has no CLIENT PAUSE WRITE, "+
		"so a planned switchover would lose writes; install a newer one", ErrTooOld, e.Server, e)
}

// firstLine is the start of what a program said, short enough for an error.
func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return line
}
