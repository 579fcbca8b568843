package devconsul_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/devconsul/devconsultest"
)

const key = "redfleet/shop/goal/n1"

func put(t *testing.T, c *consul.Client, value string) {
	t.Helper()
	if _, err := c.Txn(t.Context(), consul.Set(key, []byte(value))); err != nil {
		t.Fatal(err)
	}
}

// watched follows the key and keeps what it was told last.
type watched struct {
	value   atomic.Value
	index   atomic.Uint64
	errors  atomic.Int64
	mending atomic.Int64
}

func watch(t *testing.T, addr string) *watched {
	t.Helper()
	w := &watched{}
	c, err := consul.New(consul.Options{Address: addr, OnError: func(_ string, err error) {
		if err == nil {
			w.mending.Add(1)
			return
		}
		w.errors.Add(1)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.WatchKey(ctx, key, func(e consul.Entry, found bool) {
			text := "-"
			if found {
				text = string(e.Value)
			}
			w.index.Store(e.Index)
			w.value.Store(text)
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		c.Close()
	})
	return w
}

func (w *watched) await(t *testing.T, want string) {
	t.Helper()
	consultest.Eventually(t, 10*time.Second, func() (bool, string) {
		got := w.value.Load()
		return got == want, fmt.Sprintf("the watch knows %v, want %q", got, want)
	})
}

// settled waits until the watch waits. A query that arrives after the state went
// back would wait for its index to come again, on a real Consul too.
func settled(t *testing.T, server *devconsul.Server) {
	t.Helper()
	consultest.Eventually(t, 10*time.Second, func() (bool, string) {
		return server.Waiting() == 1, fmt.Sprintf("%d queries wait, want 1", server.Waiting())
	})
}

// TestWatchOutlivesAnOutage: while Consul is out a watch says nothing about the key
// (K5); afterwards it tells what changed meanwhile.
func TestWatchOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]devconsul.Faults{
		"dropped": {Drop: true},
		"errors":  {Error: 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, addr := devconsultest.Start(t, devconsul.Options{})
			c := clients(addr)(t)
			put(t, c, "1")
			w := watch(t, addr)
			w.await(t, "1")
			server.SetFaults(faults)
			consultest.Eventually(t, 10*time.Second, func() (bool, string) {
				return w.errors.Load() >= 3, "the watch hears of no error"
			})
			if got := w.value.Load(); got != "1" {
				t.Errorf("while Consul is out the watch tells %v", got)
			}
			server.SetFaults(devconsul.Faults{})
			put(t, c, "2")
			w.await(t, "2")
			if w.mending.Load() == 0 {
				t.Error("nobody was told that Consul is back")
			}
		})
	}
}

// TestLostState: indexes begin anew below the ones that a watch waits on (K4).
func TestLostState(t *testing.T) {
	t.Parallel()
	server, addr := devconsultest.Start(t, devconsul.Options{})
	c := clients(addr)(t)
	session, err := c.CreateSession(t.Context(), "x", time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		put(t, c, fmt.Sprint(i))
	}
	w := watch(t, addr)
	w.await(t, "49")
	before := w.index.Load()
	settled(t, server)
	server.LoseAll()
	w.await(t, "-")
	put(t, c, "new")
	w.await(t, "new")
	if after := w.index.Load(); after >= before {
		t.Errorf("the index went from %d to %d, want it lower", before, after)
	}
	if err := c.RenewSession(t.Context(), session); !errors.Is(err, consul.ErrSessionGone) {
		t.Errorf("renewing a session that was lost too: %v", err)
	}
}

// TestStateLostDuringAnOutage is a Consul that stops and comes back empty: a watch
// that waited on its old index would hear nothing until that came again (K4).
func TestStateLostDuringAnOutage(t *testing.T) {
	t.Parallel()
	server, addr := devconsultest.Start(t, devconsul.Options{})
	c := clients(addr)(t)
	for i := range 20 {
		put(t, c, fmt.Sprint(i))
	}
	w := watch(t, addr)
	w.await(t, "19")
	settled(t, server)
	server.Drop(true)
	consultest.Eventually(t, 10*time.Second, func() (bool, string) {
		return w.errors.Load() > 0, "the watch has not noticed the outage"
	})
	server.LoseAll()
	server.Drop(false)
	put(t, c, "new")
	w.await(t, "new")
}

// TestWaitingForAMissingKey: once it waits, a query for a missing key sleeps through
// writes to other keys, as on Consul.
func TestWaitingForAMissingKey(t *testing.T) {
	t.Parallel()
	server, addr := devconsultest.Start(t, devconsul.Options{})
	c := clients(addr)(t)
	if _, err := c.Txn(t.Context(), consul.Set("redfleet/shop/other", nil)); err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() {
		// Index 11 is that of the write above.
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request(t, "GET", "http://"+addr+"/v1/kv/"+key+"?index=11", ""))
		if err != nil {
			answered <- 0
			return
		}
		defer resp.Body.Close()
		answered <- resp.StatusCode
	}()
	settled(t, server)
	if _, err := c.Txn(t.Context(), consul.Set("redfleet/shop/other", []byte("1"))); err != nil {
		t.Fatal(err)
	}
	settled(t, server)
	select {
	case status := <-answered:
		t.Fatalf("answered %d to a write to another key", status)
	case <-time.After(50 * time.Millisecond):
	}
	put(t, c, "1")
	if status := <-answered; status != http.StatusOK {
		t.Errorf("answered %d when the key was made", status)
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	server, addr := devconsultest.Start(t, devconsul.Options{})
	c := clients(addr)(t)
	put(t, c, "old")
	snapshot := server.Snapshot()
	w := watch(t, addr)
	w.await(t, "old")
	put(t, c, "new")
	w.await(t, "new")
	index := w.index.Load()
	settled(t, server)
	server.Restore(snapshot)
	w.await(t, "old")
	if now := w.index.Load(); now >= index {
		t.Errorf("the index went from %d to %d, want it back", index, now)
	}
	put(t, c, "newer")
	w.await(t, "newer")
	settled(t, server)
	server.Restore(snapshot)
	w.await(t, "old")
}

func TestFreezeHoldsRequestsUntilItEnds(t *testing.T) {
	t.Parallel()
	server, addr := devconsultest.Start(t, devconsul.Options{})
	c := clients(addr)(t)
	server.Freeze(true)
	ended := make(chan error, 1)
	go func() {
		_, err := c.Txn(t.Context(), consul.Set(key, []byte("1")))
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("answered while frozen: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	server.Freeze(false)
	if err := <-ended; err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	server, addr := devconsultest.Start(t, devconsul.Options{})
	c := clients(addr)(t)
	server.SetDelay(80 * time.Millisecond)
	began := time.Now()
	put(t, c, "1")
	if took := time.Since(began); took < 80*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

// TestAnswerLostAfterTheEffect: the error is "out", the write has happened.
func TestAnswerLostAfterTheEffect(t *testing.T) {
	t.Parallel()
	server, addr := devconsultest.Start(t, devconsul.Options{})
	c := clients(addr)(t)
	server.SetFaults(devconsul.Faults{Path: "/v1/txn", Drop: true, AfterEffect: true})
	if _, err := c.Txn(t.Context(), consul.Set(key, []byte("1"))); !errors.Is(err, consul.ErrOut) {
		t.Errorf("error %v", err)
	}
	if e, found, err := c.Get(t.Context(), key); !found || string(e.Value) != "1" || err != nil {
		t.Errorf("the key: found %v, %q, error %v", found, e.Value, err)
	}
}

// TestHolderStopsBeforeItsSessionEnds: with nothing but its renewals lost, a holder
// is stopped while Consul still has its session (promise fenced-leader), even on a
// Consul that ends sessions as early as it may. What lies between is a tenth of the TTL,
// which a busy machine can take from a test; so the time is virtual.
func TestHolderStopsBeforeItsSessionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const ttl = 15 * time.Second
		server := devconsul.New(devconsul.Options{TTLFactor: 1})
		defer server.Close()
		c, err := consul.New(consul.Options{Address: "consul", Transport: direct{server.Handler()}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = c.Lease("redfleet/shop/lease", "c1", ttl, 0).Run(ctx, func(term context.Context, held *consul.Held) error {
			defer cancel()
			began := time.Now()
			// The key's watch must not be what tells it.
			server.SetFaults(devconsul.Faults{Path: "/v1/session/renew/", Freeze: true})
			<-term.Done()
			if _, found, err := c.ReadSession(t.Context(), held.Session()); !found || err != nil {
				t.Errorf("it went on until its session had ended: found %v, error %v", found, err)
			}
			if _, err := held.Guard(); !errors.Is(err, consul.ErrLeaseLost) {
				t.Errorf("the guard: %v", err)
			}
			time.Sleep(time.Until(began.Add(ttl + time.Second)))
			if _, found, err := c.ReadSession(t.Context(), held.Session()); found || err != nil {
				t.Errorf("the session outlived its TTL, which this rests on: found %v, error %v", found, err)
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// direct carries requests to a stand-in in the same process. Its faults but for Drop,
// which needs a connection, are as over the network.
type direct struct{ server http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// TestAmbiguousAcquire: the answer to the acquire is lost, and the lease held all
// the same, with one session.
func TestAmbiguousAcquire(t *testing.T) {
	t.Parallel()
	_, addr := devconsultest.Start(t, devconsul.Options{})
	loses := &losesAcquire{network: &http.Transport{DisableKeepAlives: true}}
	c, err := consul.New(consul.Options{Address: addr, Transport: loses})
	if err != nil {
		t.Fatal(err)
	}
	const lease = "redfleet/shop/lease"
	done := errors.New("done")
	// With a second session it would have to wait for the first one's lock-delay.
	err = c.Lease(lease, "c1", 10*time.Second, time.Minute).Run(t.Context(), func(ctx context.Context, held *consul.Held) error {
		if e, _, err := c.Get(ctx, lease); e.Session != held.Session() || err != nil {
			t.Errorf("the key is held by %q, want %q; error %v", e.Session, held.Session(), err)
		}
		return done
	})
	if !errors.Is(err, done) {
		t.Errorf("Run ended with %v", err)
	}
	if loses.sessions.Load() != 1 || loses.acquired.Load() < 2 {
		t.Errorf("%d sessions were made, and the key was asked for %d times; want 1, and once more after the lost answer", loses.sessions.Load(), loses.acquired.Load())
	}
}

// losesAcquire loses the answer to the first acquire.
type losesAcquire struct {
	network            http.RoundTripper
	acquired, sessions atomic.Int64
}

func (l *losesAcquire) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/session/create") {
		l.sessions.Add(1)
	}
	resp, err := l.network.RoundTrip(r)
	if r.URL.Query().Has("acquire") && l.acquired.Add(1) == 1 && err == nil {
		_ = resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}
