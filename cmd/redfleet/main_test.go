package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
)

// TestMain lets the lab start this test binary as redfleet itself: its daemons
// are then of the code under test, and of the race detector where it is on.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "agent", "coordinator", "devconsul", "drill":
			ctx, stop := signal.NotifyContext(context.Background(), ends()...)
			code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
			stop()
			os.Exit(code)
		}
	}
	goleak.VerifyTestMain(m)
}

// outcome is what one call of redfleet gave.
type outcome struct {
	code   int
	stdout string
	stderr string
}

func redfleet(t *testing.T, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return redfleetContext(ctx, args...)
}

func redfleetContext(ctx context.Context, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// want checks the exit code and that the outputs hold a text each.
func (o outcome) want(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if o.code != code || !strings.Contains(o.stdout, stdout) || !strings.Contains(o.stderr, stderr) {
		t.Errorf("exit code %d, want %d; want %q on stdout and %q on stderr\nstdout:\n%s\nstderr:\n%s",
			o.code, code, stdout, stderr, o.stdout, o.stderr)
	}
}

// site is a fleet "shop" on a stand-in for Consul, with nothing running.
type site struct {
	t       *testing.T
	stand   *devconsul.Server
	address string
	client  *consul.Client
	keyFile string
	key     secret.Key
	keys    fleet.Keys
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, stand: devconsul.New(devconsul.Options{}), keys: fleet.KeysOf("shop")}
	server := httptest.NewServer(s.stand.Handler())
	s.address = strings.TrimPrefix(server.URL, "http://")
	var err error
	if s.client, err = consul.New(consul.Options{Address: s.address}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.client.Close(); s.stand.Close(); server.CloseClientConnections(); server.Close() })
	s.keyFile = filepath.Join(t.TempDir(), "fleet.key")
	if s.key, err = secret.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	if err = s.key.WriteKey(s.keyFile); err != nil {
		t.Fatal(err)
	}
	return s
}

// run calls redfleet with this site's Consul, fleet and, where asked, key.
func (s *site) run(args ...string) outcome {
	s.t.Helper()
	args = append(args, "--consul", s.address)
	switch args[0] {
	case "apply":
		args = append(args, "--key", s.keyFile)
	case "credentials":
		args = append(args, "--key", s.keyFile, "--fleet", "shop")
	default:
		args = append(args, "--fleet", "shop")
	}
	return redfleet(s.t, args...)
}

func (s *site) put(key string, record any) {
	s.t.Helper()
	value, err := records.Encode(record)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.client.Txn(s.t.Context(), consul.Set(key, value)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) spec() fleet.SpecRecord {
	s.t.Helper()
	entry, found, err := s.client.Get(s.t.Context(), s.keys.Spec())
	if err != nil || !found {
		s.t.Fatalf("no spec in Consul (%v)", err)
	}
	rec, err := records.Decode[fleet.SpecRecord](entry.Key, entry.Value)
	if err != nil {
		s.t.Fatal(err)
	}
	return rec
}

// raw is all that Consul holds, keys and values.
func (s *site) raw() string {
	s.t.Helper()
	entries, err := s.client.List(s.t.Context(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.Key + "=" + string(e.Value) + "\n")
	}
	return b.String()
}

// file writes a file for the test.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const shopSpec = `[fleet]
name = "shop"

[[group]]
name = "main"
nodes = ["n1", "n2", "n3"]
`
