package devconsul_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/devconsul/devconsultest"
)

func TestFaultsOverHTTP(t *testing.T) {
	t.Parallel()
	_, addr := devconsultest.Start(t, devconsul.Options{})
	c := clients(addr)(t)
	put(t, c, "old")
	send := func(method, path, body string) (int, string) {
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request(t, method, "http://"+addr+path, body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	want := func(code, status int, text string) {
		t.Helper()
		if code != status {
			t.Fatalf("answered %d (%s), want %d", code, text, status)
		}
	}
	code, text := send("DELETE", "/v1/devconsul/snapshot", "")
	want(code, 404, text)
	code, text = send("PUT", "/v1/devconsul/snapshot", "")
	want(code, 200, text)
	code, text = send("PUT", "/v1/devconsul/faults", `{"eror":500}`)
	want(code, 400, text)
	code, text = send("PUT", "/v1/devconsul/faults", `{"error":500,"delay":"1ms"}`)
	want(code, 200, text)
	if _, _, err := c.Get(t.Context(), key); !errors.Is(err, consul.ErrOut) {
		t.Errorf("with an error set: %v", err)
	}
	code, text = send("GET", "/v1/devconsul/faults", "")
	want(code, 200, text)
	if text != `{"delay":"1ms","error":500}` {
		t.Errorf("the faults read %s", text)
	}
	code, text = send("DELETE", "/v1/devconsul/faults", "")
	want(code, 200, text)
	code, text = send("PUT", "/v1/devconsul/lose-all", "")
	want(code, 200, text)
	if _, found, err := c.Get(t.Context(), key); found || err != nil {
		t.Errorf("after losing all: found %v, error %v", found, err)
	}
	code, text = send("DELETE", "/v1/devconsul/snapshot", "")
	want(code, 200, text)
	if e, found, err := c.Get(t.Context(), key); !found || string(e.Value) != "old" || err != nil {
		t.Errorf("after going back: found %v, %q, error %v", found, e.Value, err)
	}
}

// TestServe: the stand-in as a process of its own has, up to its end.
func TestServe(t *testing.T) {
	t.Parallel()
	if err := devconsul.Serve(t.Context(), "127.0.0.1:no"); err == nil {
		t.Error("a wrong address is taken")
	}
	addr := consultest.FreeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- devconsul.Serve(ctx, addr) }()
	c := clients(addr)(t)
	consultest.Eventually(t, 10*time.Second, func() (bool, string) {
		_, err := c.Leader(t.Context())
		return err == nil, fmt.Sprint(err)
	})
	put(t, c, "1")
	w := watch(t, addr)
	w.await(t, "1")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
	}
	return req
}
