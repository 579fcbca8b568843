package consul_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/devconsul/devconsultest"
)

// calls are all ordinary requests of the client.
func calls(c *consul.Client) map[string]func(ctx context.Context) error {
	ignore := func(_ any, err error) error { return err }
	return map[string]func(ctx context.Context) error{
		"get":        func(ctx context.Context) error { _, _, err := c.Get(ctx, "k"); return err },
		"list":       func(ctx context.Context) error { return ignore(c.List(ctx, "k")) },
		"keys":       func(ctx context.Context) error { return ignore(c.Keys(ctx, "k")) },
		"txn":        func(ctx context.Context) error { return ignore(c.Txn(ctx, consul.Set("k", nil))) },
		"acquire":    func(ctx context.Context) error { return ignore(c.Acquire(ctx, "k", nil, "s")) },
		"release":    func(ctx context.Context) error { return ignore(c.Release(ctx, "k", nil, "s")) },
		"session":    func(ctx context.Context) error { return ignore(c.CreateSession(ctx, "n", time.Minute, 0)) },
		"renew":      func(ctx context.Context) error { return c.RenewSession(ctx, "s") },
		"destroy":    func(ctx context.Context) error { return c.DestroySession(ctx, "s") },
		"read":       func(ctx context.Context) error { _, _, err := c.ReadSession(ctx, "s"); return err },
		"register":   func(ctx context.Context) error { return c.Register(ctx, consul.Service{ID: "a", Name: "a"}) },
		"deregister": func(ctx context.Context) error { return c.Deregister(ctx, "a") },
		"services":   func(ctx context.Context) error { return ignore(c.Services(ctx, "a")) },
		"local":      func(ctx context.Context) error { return ignore(c.AgentServices(ctx)) },
		"leader":     func(ctx context.Context) error { return ignore(c.Leader(ctx)) },
	}
}

// TestErrorsOfEveryCall: whatever Consul does to a request, its caller learns what
// it may do about it, and never more than is known.
func TestErrorsOfEveryCall(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		faults devconsul.Faults
		want   error
	}{
		"no leader":          {devconsul.Faults{Error: 500}, consul.ErrOut},
		"rate limited":       {devconsul.Faults{Error: 429}, consul.ErrOut},
		"a proxy's bad day":  {devconsul.Faults{Error: 502}, consul.ErrOut},
		"connection dropped": {devconsul.Faults{Drop: true}, consul.ErrOut},
		"answer lost":        {devconsul.Faults{Drop: true, AfterEffect: true}, consul.ErrOut},
		"frozen":             {devconsul.Faults{Freeze: true}, consul.ErrOut},
		"token refused":      {devconsul.Faults{Error: 403}, consul.ErrDenied},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, addr := devconsultest.Start(t, devconsul.Options{})
			o := consul.Options{Address: addr}
			if tt.faults.Freeze {
				// Nobody answers; else a limit this short tells "out" on a busy machine.
				o.Timeout = 100 * time.Millisecond
			}
			c := newClient(t, o)
			server.SetFaults(tt.faults)
			for call, do := range calls(c) {
				err := do(t.Context())
				if !errors.Is(err, tt.want) {
					t.Errorf("%s: error %v, want %v", call, err, tt.want)
				}
				for _, other := range []error{consul.ErrConflict, consul.ErrSessionGone, consul.ErrLeaseLost, context.Canceled} {
					if errors.Is(err, other) {
						t.Errorf("%s: error %v proves nothing like %v", call, err, other)
					}
				}
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	c := clients("127.0.0.1:1")(t)
	for call, do := range calls(c) {
		if err := do(t.Context()); !errors.Is(err, consul.ErrOut) {
			t.Errorf("%s: error %v, want that Consul is out", call, err)
		}
	}
}

func TestCallerWhoGaveUpHearsOfThatOnly(t *testing.T) {
	t.Parallel()
	_, addr := devconsultest.Start(t, devconsul.Options{})
	c := clients(addr)(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for call, do := range calls(c) {
		if err := do(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, consul.ErrOut) {
			t.Errorf("%s: error %v, want only that it was cancelled", call, err)
		}
	}
}

// TestTokens: a real Consul with ACLs refuses, hides nothing silently (K5), and
// takes the right token from a file.
func TestTokens(t *testing.T) {
	t.Parallel()
	const root = "11111111-2222-3333-4444-555555555555"
	addr := consultest.StartReal(t, `acl {
  enabled = true
  default_policy = "deny"
  tokens { initial_management = "`+root+`" }
}`)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(root+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rooted := newClient(t, consul.Options{Address: addr, TokenFile: file})
	consultest.Eventually(t, 20*time.Second, func() (bool, string) {
		_, err := rooted.Txn(t.Context(), consul.Set("redfleet/shop/spec", []byte("{}")))
		return err == nil, "writing with the right token: " + errorText(err)
	})
	poor := newClient(t, consul.Options{Address: addr, Token: poorToken(t, addr, root)})
	if list, err := poor.List(t.Context(), "redfleet/"); !errors.Is(err, consul.ErrDenied) {
		t.Errorf("a token for another key lists %v, error %v; want that it was refused", list, err)
	}
	for label, o := range map[string]consul.Options{
		"no token":    {Address: addr},
		"wrong token": {Address: addr, Token: "99999999-2222-3333-4444-555555555555"},
	} {
		c := newClient(t, o)
		for call, do := range map[string]func() error{
			"get":  func() error { _, _, err := c.Get(t.Context(), "redfleet/shop/spec"); return err },
			"list": func() error { _, err := c.List(t.Context(), "redfleet/"); return err },
			"keys": func() error { _, err := c.Keys(t.Context(), "redfleet/"); return err },
			"txn":  func() error { _, err := c.Txn(t.Context(), consul.Set("redfleet/x", nil)); return err },
			"session": func() error {
				_, err := c.CreateSession(t.Context(), "x", time.Minute, 0)
				return err
			},
			"register": func() error { return c.Register(t.Context(), consul.Service{ID: "x", Name: "x"}) },
		} {
			err := do()
			if !errors.Is(err, consul.ErrDenied) {
				t.Errorf("%s, %s: error %v, want that the token was refused", label, call, err)
			}
			if o.Token != "" && strings.Contains(errorText(err), o.Token) {
				t.Errorf("%s, %s: the error shows the token: %v", label, call, err)
			}
		}
	}
}

// poorToken makes a token that may read one key, and no key of the fleet.
func poorToken(t *testing.T, addr, root string) string {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: addr, Token: root, Transport: &http.Transport{DisableKeepAlives: true}})
	if err != nil {
		t.Fatal(err)
	}
	policy, _, err := c.ACL().PolicyCreate(&api.ACLPolicy{Name: "poor", Rules: `key "elsewhere" { policy = "read" }`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := c.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{ID: policy.ID}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return token.SecretID
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "token")
	if _, err := consul.New(consul.Options{Address: "127.0.0.1:8500", TokenFile: missing}); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("a missing token file: error %v", err)
	}
	if _, err := consul.New(consul.Options{Address: "gopher://127.0.0.1"}); err == nil {
		t.Error("an unknown scheme is taken")
	}
}

// TestConnectionsAreReused: all requests of a client go over few connections
// (K9): the next one takes the connection that the last one left.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	server := devconsul.New(devconsul.Options{})
	addr, seen := countingServer(t, server)
	c := clients(addr)(t)
	for range 20 {
		if _, _, err := c.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	// Go gives up a connection whose request it has not seen off 50 ms after the answer,
	// as it happens to one that has to wait for a core.
	if n := seen.connections.Load(); n > 3 {
		t.Errorf("20 requests took %d connections", n)
	}
}

// TestWatchesAreIdleAtRest: after its first answer a watch keeps one request open
// and sends no other, which is what the budget at rest counts on.
func TestWatchesAreIdleAtRest(t *testing.T) {
	t.Parallel()
	server := devconsul.New(devconsul.Options{})
	addr, seen := countingServer(t, server)
	c := clients(addr)(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	told := make(chan struct{}, 10)
	keys := []string{"redfleet/shop/goal/n1", "redfleet/shop/control"}
	for _, key := range keys {
		if _, err := c.Txn(ctx, consul.Set(key, nil)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range keys {
		go func() { ended <- c.WatchKey(ctx, key, func(consul.Entry, bool) { told <- struct{}{} }) }()
		<-told
	}
	// At rest each watch has sent the request that then stays open.
	consultest.Eventually(t, 10*time.Second, func() (bool, string) {
		return server.Waiting() == 2, fmt.Sprintf("%d queries wait, want 2", server.Waiting())
	})
	before := seen.requests.Load()
	time.Sleep(500 * time.Millisecond)
	if n := seen.requests.Load() - before; n > 0 {
		t.Errorf("%d requests in half a second of rest", n)
	}
	cancel()
	<-ended
	<-ended
}

func newClient(t *testing.T, o consul.Options) *consul.Client {
	t.Helper()
	c, err := consul.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
