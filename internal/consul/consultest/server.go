package consultest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serverCases are requests that redfleet's client would not send, or not so soon.
func serverCases() map[string]func(*testing.T, *env) {
	return map[string]func(*testing.T, *env){
		"refuses what is over its limits (K3)":               serverLimits,
		"a blocking query ends when its wait is over":        waitEnds,
		"a missing key answers at once after any write (K4)": missingKeyReturns,
		"a value can be had raw, and the names by folder":    rawAndKeys,
		"lists services by tag and by health":                healthFilters,
	}
}

// send makes one plain HTTP request.
func (e *env) send(t *testing.T, method, path, body string) (resp *http.Response, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+e.opts.Address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	// A server that refuses a large body need not read it: ask first.
	req.Header.Set("Expect", "100-continue")
	transport := &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: soon}
	resp, err = transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(raw)
}

func serverLimits(t *testing.T, e *env) {
	step := fmt.Sprintf(`{"KV":{"Verb":"set","Key":%q,"Value":"eA=="}}`, e.key("a"))
	steps := func(n int) string { return "[" + strings.Repeat(step+",", n-1) + step + "]" }
	value := func(n int) string {
		return fmt.Sprintf(`[{"KV":{"Verb":"set","Key":%q,"Value":%q}}]`, e.key("a"), strings.Repeat("eHh4", n/4))
	}
	tests := map[string]struct {
		path, body string
		want       int
	}{
		"128 steps":               {"/v1/txn", steps(128), 200},
		"129 steps":               {"/v1/txn", steps(129), 413},
		"500 KiB of base64":       {"/v1/txn", value(500 * 1024), 200},
		"513 KiB of base64":       {"/v1/txn", value(513 * 1024), 413},
		"a value of 512 KiB":      {"/v1/kv/" + e.key("a"), strings.Repeat("x", 512*1024), 200},
		"a value of 512 KiB + 1":  {"/v1/kv/" + e.key("a"), strings.Repeat("x", 512*1024+1), 413},
		"garbage":                 {"/v1/txn", "{", 400},
		"no key":                  {"/v1/kv/", "x", 400},
		"two conditions at once":  {"/v1/kv/" + e.key("a") + "?cas=0&acquire=x", "x", 400},
		"a session that is wrong": {"/v1/session/create", `{"TTL":"never"}`, 500},
	}
	for label, tt := range tests {
		if resp, text := e.send(t, "PUT", tt.path, tt.body); resp.StatusCode != tt.want {
			t.Errorf("%s: answered %d (%.200s), want %d", label, resp.StatusCode, text, tt.want)
		}
	}
}

func waitEnds(t *testing.T, e *env) {
	index := e.write(t, e.key("a"), "1")
	began := time.Now()
	resp, _ := e.send(t, "GET", fmt.Sprintf("/v1/kv/%s?index=%d&wait=200ms", e.key("a"), index), "")
	if took := time.Since(began); took < 190*time.Millisecond || took > soon {
		t.Errorf("it waited %v for 200ms", took)
	}
	if got := resp.Header.Get("X-Consul-Index"); got != fmt.Sprint(index) {
		t.Errorf("the index is %s, want %d", got, index)
	}
}

func missingKeyReturns(t *testing.T, e *env) {
	resp, _ := e.send(t, "GET", "/v1/kv/"+e.key("missing"), "")
	index := resp.Header.Get("X-Consul-Index")
	if resp.StatusCode != 404 || index == "" || index == "0" {
		t.Fatalf("answered %d with index %q", resp.StatusCode, index)
	}
	e.write(t, e.key("other"), "1")
	began := time.Now()
	e.send(t, "GET", "/v1/kv/"+e.key("missing")+"?wait=30s&index="+index, "")
	if took := time.Since(began); took > soon {
		t.Errorf("it answered after %v", took)
	}
}

func rawAndKeys(t *testing.T, e *env) {
	e.write(t, e.key("a/1"), "plain")
	e.write(t, e.key("a/2"), "x")
	e.write(t, e.key("b"), "x")
	if _, text := e.send(t, "GET", "/v1/kv/"+e.key("a/1")+"?raw", ""); text != "plain" {
		t.Errorf("raw: %q", text)
	}
	want := fmt.Sprintf(`[%q,%q]`, e.key("a/"), e.key("b"))
	_, text := e.send(t, "GET", "/v1/kv/"+e.prefix+"?keys&separator=/", "")
	if got := strings.Join(strings.Fields(text), ""); got != want {
		t.Errorf("keys: %s, want %s", got, want)
	}
	if _, text := e.send(t, "DELETE", "/v1/kv/"+e.key("a/")+"?recurse", ""); strings.TrimSpace(text) != "true" {
		t.Errorf("deleting a folder: %q", text)
	}
	e.wantValue(t, e.key("a/1"), "-")
	e.wantValue(t, e.key("b"), "x")
}

func healthFilters(t *testing.T, e *env) {
	down := newTarget(t)
	down.down.Store(true)
	master, replica := e.service("", "", "master"), e.service(down.url, "", "replica")
	replica.ID = e.name + "-2"
	e.register(t, master)
	e.register(t, replica)
	for query, want := range map[string]int{"": 2, "?passing": 1, "?tag=master": 1, "?tag=replica": 1, "?tag=replica&passing": 0} {
		Eventually(t, synced, func() (bool, string) {
			_, text := e.send(t, "GET", "/v1/health/service/"+e.name+query, "")
			n := strings.Count(text, `"serfHealth"`)
			return n == want, name("%q gives %d instances, want %d", query, n, want)
		})
	}
	_, text := e.send(t, "GET", "/v1/catalog/services", "")
	if !strings.Contains(text, e.name) || !strings.Contains(text, `"replica"`) {
		t.Errorf("the catalog has neither name nor tag: %s", text)
	}
}
