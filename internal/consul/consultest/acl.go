package consultest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
)

// management is the token that may do everything in a test's Consul.
const management = "11111111-2222-3333-4444-555555555555"

// NodeName is the name of the Consul agent that StartReal runs.
const NodeName = "test"

// ACL is a real Consul that denies what no policy allows.
type ACL struct {
	// Addr is its HTTP address, DNS that of its names.
	Addr, DNS string
	// log is the file of what it logs.
	log  string
	made atomic.Int64
}

// StartACL runs a real Consul with its ACLs on and a default policy of deny, until
// the test ends.
func StartACL(t testing.TB) *ACL {
	t.Helper()
	// The Consul agent needs a token itself, to put its node into the catalog.
	agent := startReal(t, fmt.Sprintf(`acl {
  enabled = true
  default_policy = "deny"
  tokens { initial_management = %q, agent = %q, dns = %q }
}`, management, management, management))
	a := &ACL{Addr: agent.addr, DNS: agent.dns, log: agent.log}
	root := a.Root(t)
	Eventually(t, 30*time.Second, func() (bool, string) {
		id, err := root.CreateSession(t.Context(), "ready?", time.Minute, 0)
		if err != nil {
			return false, err.Error()
		}
		return root.DestroySession(t.Context(), id) == nil, "the session cannot be destroyed"
	})
	return a
}

// Root is a client that may do everything, until the test ends.
func (a *ACL) Root(t testing.TB) *consul.Client {
	t.Helper()
	return a.client(t, management)
}

// RootFile is a file with the token that may do everything.
func (a *ACL) RootFile(t testing.TB) string {
	t.Helper()
	return tokenFile(t, management)
}

// Client is a client with a new token under exactly these rules.
func (a *ACL) Client(t testing.TB, rules string) *consul.Client {
	t.Helper()
	return a.client(t, a.token(t, rules))
}

// TokenFile is a file with a new token under exactly these rules.
func (a *ACL) TokenFile(t testing.TB, rules string) string {
	t.Helper()
	return tokenFile(t, a.token(t, rules))
}

// StopSync makes the Consul agent fail to compare its services with the catalog: it
// tries again 15 to 30 s later, and until then tells the catalog of no change that a
// check finds (K10). It returns when the agent has failed. Where two comparisons were
// due, as in the first seconds after a leader was elected, the second one may follow
// and hold: whoever relies on it has to look, and call it again.
func (a *ACL) StopSync(t testing.TB) {
	t.Helper()
	failures := func() int {
		log, err := os.ReadFile(a.log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(log), "failed to sync remote state")
	}
	before := failures()
	// Another token makes the agent compare within 3 s. That nobody has made yet cannot.
	late := fmt.Sprintf("99999999-2222-3333-4444-%012d", time.Now().UnixNano()%1e12)
	a.put(t, "/v1/agent/token/agent", fmt.Sprintf(`{"Token": %q}`, late))
	Eventually(t, synced, func() (bool, string) {
		return failures() > before, "the Consul agent has not failed to compare"
	})
	a.put(t, "/v1/acl/token", fmt.Sprintf(`{"SecretID": %q, "Policies": [{"Name": "global-management"}]}`, late))
}

// put sends a request that the client has no call for.
func (a *ACL) put(t testing.TB, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+a.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Consul-Token", management)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("PUT %s: %s", path, resp.Status)
	}
}

func (a *ACL) token(t testing.TB, rules string) string {
	t.Helper()
	root := a.Root(t)
	name := fmt.Sprintf("%s-%d", strings.Map(plainLetter, t.Name()[:min(100, len(t.Name()))]), a.made.Add(1))
	if err := root.CreatePolicy(t.Context(), consul.Policy{Name: name, Rules: rules}); err != nil {
		t.Fatal(err)
	}
	token, err := root.CreateToken(t.Context(), name, name)
	if err != nil {
		t.Fatal(err)
	}
	return token.Secret
}

// plainLetter keeps what the name of a policy may have in it.
func plainLetter(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

func (a *ACL) client(t testing.TB, token string) *consul.Client {
	t.Helper()
	c, err := consul.New(consul.Options{Address: a.Addr, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func tokenFile(t testing.TB, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
