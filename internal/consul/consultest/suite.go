// Package consultest proves that something behaves as the Consul that redfleet is
// built on: one suite runs against a real Consul agent and against the stand-in of
// internal/devconsul, and one helper starts the real one.
package consultest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/redfleet/redfleet/internal/consul"
)

// Options tell the suite about what it tests.
type Options struct {
	// Address is the server's, host:port, for requests that the client would not send.
	Address string
	// TTL is a session TTL that the server takes.
	TTL time.Duration
	// Interval is the shortest interval of a check that the server takes.
	Interval time.Duration
}

// Run runs the suite with all cases side by side. newClient gives a client that is
// closed when the test ends; all clients speak to the same server, whose other
// contents the suite leaves alone.
//
// The end of a session by its TTL is not in here but in RunExpiry, since a real
// Consul takes 20 s for it.
func Run(t *testing.T, newClient func(t *testing.T) *consul.Client, o Options) {
	t.Helper()
	groups := map[string]map[string]func(*testing.T, *env){
		"kv":       kvCases(),
		"txn":      txnCases(),
		"watch":    watchCases(),
		"session":  sessionCases(),
		"services": serviceCases(),
		"server":   serverCases(),
		"lease":    leaseCases(),
	}
	for group, cases := range groups {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			for name, run := range cases {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					run(t, newEnv(t, newClient, o))
				})
			}
		})
	}
}

// env is what one case works with: a client of its own and names of its own.
type env struct {
	*consul.Client
	opts      Options
	newClient func(t *testing.T) *consul.Client
	// prefix is a folder in the KV store that only this case uses.
	prefix string
	// name is unique to this case, for services.
	name string
}

func newEnv(t *testing.T, newClient func(t *testing.T) *consul.Client, o Options) *env {
	t.Helper()
	e := &env{Client: newClient(t), opts: o, newClient: newClient, name: "suite-" + uuid.NewString()}
	e.prefix = "redfleet/" + e.name + "/"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		keys, err := e.Keys(ctx, e.prefix)
		if err != nil {
			t.Errorf("cleaning up: %v", err)
		}
		// Some cases leave hundreds, which one by one take seconds.
		for some := range slices.Chunk(keys, consul.MaxTxnOps) {
			var ops []consul.Op
			for _, key := range some {
				ops = append(ops, consul.Delete(key))
			}
			if _, err := e.Txn(ctx, ops...); err != nil {
				t.Errorf("cleaning up: %v", err)
			}
		}
	})
	return e
}

func (e *env) key(name string) string { return e.prefix + name }

// write sets a key and gives its new index.
func (e *env) write(t *testing.T, key, value string) uint64 {
	t.Helper()
	res, err := e.Txn(t.Context(), consul.Set(key, []byte(value)))
	if err != nil {
		t.Fatalf("writing %s: %v", key, err)
	}
	return res[0].Index
}

// session makes a session that is destroyed when the test ends.
func (e *env) session(t *testing.T, lockDelay time.Duration) string {
	t.Helper()
	id, err := e.CreateSession(t.Context(), e.name, e.opts.TTL, lockDelay)
	if err != nil {
		t.Fatalf("creating a session: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := e.DestroySession(ctx, id); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	return id
}

// value reads a key as text: "-" when there is none.
func (e *env) value(t *testing.T, key string) string {
	t.Helper()
	entry, found, err := e.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("reading %s: %v", key, err)
	}
	if !found {
		return "-"
	}
	return string(entry.Value)
}

func (e *env) wantValue(t *testing.T, key, want string) {
	t.Helper()
	if got := e.value(t, key); got != want {
		t.Errorf("%s is %q, want %q", key, got, want)
	}
}

// Eventually polls until ok gives true, and fails the test with what ok last said
// after the given time.
func Eventually(t testing.TB, within time.Duration, ok func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		done, seen := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, seen)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func repeat(text string, n int) []byte { return []byte(strings.Repeat(text, n)) }

func name(format string, args ...any) string { return fmt.Sprintf(format, args...) }
