package consultest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
)

// soon is what a watch may take to wake. It takes milliseconds; the rest is for a
// busy machine.
const soon = 5 * time.Second

// synced is what the catalog may take to show what the Consul agent knows. That takes
// milliseconds too, but for an agent that failed to compare the two, as it can in the
// first seconds after its leader was elected: it tries again 15 to 30 s later (K10).
const synced = 45 * time.Second

func watchCases() map[string]func(*testing.T, *env) {
	return map[string]func(*testing.T, *env){
		"a key: made, changed, deleted, made again":          watchKey,
		"a missing key is told at once, and once (K4)":       watchMissing,
		"a key: locked and released":                         watchLock,
		"a folder: made, changed, deleted":                   watchFolder,
		"writing the same value or another key wakes nobody": watchQuiet,
		"ends with its context and nothing else":             watchEnds,
	}
}

// follow starts a watch and gives what it tells, each as one line of text.
func follow(t *testing.T, watch func(ctx context.Context, tell func(string)) error) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan string, 100)
	ended := make(chan error, 1)
	go func() { ended <- watch(ctx, func(text string) { told <- text }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v, want its context's error", err)
		}
	})
	return told
}

func followKey(t *testing.T, c *consul.Client, key string) <-chan string {
	t.Helper()
	return follow(t, func(ctx context.Context, tell func(string)) error {
		return c.WatchKey(ctx, key, func(e consul.Entry, found bool) {
			if !found {
				tell("-")
				return
			}
			tell(string(e.Value))
		})
	})
}

func next(t *testing.T, told <-chan string, want string) {
	t.Helper()
	select {
	case got := <-told:
		if got != want {
			t.Fatalf("the watch tells %q, want %q", got, want)
		}
	case <-time.After(soon):
		t.Fatalf("the watch is silent, want %q", want)
	}
}

func watchKey(t *testing.T, e *env) {
	key := e.key("goal")
	e.write(t, key, "1")
	told := followKey(t, e.Client, key)
	next(t, told, "1")
	e.write(t, key, "2")
	next(t, told, "2")
	if _, err := e.Txn(t.Context(), consul.Delete(key)); err != nil {
		t.Fatal(err)
	}
	next(t, told, "-")
	e.write(t, key, "3")
	next(t, told, "3")
}

func watchMissing(t *testing.T, e *env) {
	key := e.key("goal")
	told := followKey(t, e.Client, key)
	next(t, told, "-")
	for i := range 5 {
		e.write(t, e.key("other"), name("%d", i))
	}
	e.write(t, key, "1")
	next(t, told, "1")
}

func watchLock(t *testing.T, e *env) {
	key, session := e.key("lease"), e.session(t, 0)
	told := follow(t, func(ctx context.Context, tell func(string)) error {
		return e.WatchKey(ctx, key, func(entry consul.Entry, _ bool) { tell(entry.Session) })
	})
	next(t, told, "")
	acquire(t, e, key, session, true)
	next(t, told, session)
	if err := e.DestroySession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	next(t, told, "")
}

func watchFolder(t *testing.T, e *env) {
	told := follow(t, func(ctx context.Context, tell func(string)) error {
		return e.WatchPrefix(ctx, e.prefix, func(list []consul.Entry) {
			var names []string
			for _, entry := range list {
				names = append(names, strings.TrimPrefix(entry.Key, e.prefix)+"="+string(entry.Value))
			}
			tell(strings.Join(names, " "))
		})
	})
	next(t, told, "")
	e.write(t, e.key("b"), "1")
	next(t, told, "b=1")
	e.write(t, e.key("a"), "1")
	next(t, told, "a=1 b=1")
	e.write(t, e.key("b"), "2")
	next(t, told, "a=1 b=2")
	if _, err := e.Txn(t.Context(), consul.Delete(e.key("a"))); err != nil {
		t.Fatal(err)
	}
	next(t, told, "b=2")
	if _, err := e.Txn(t.Context(), consul.Delete(e.key("b"))); err != nil {
		t.Fatal(err)
	}
	next(t, told, "")
}

func watchQuiet(t *testing.T, e *env) {
	key := e.key("goal")
	e.write(t, key, "1")
	told := followKey(t, e.Client, key)
	next(t, told, "1")
	e.write(t, key, "1")
	e.write(t, e.key("goal2"), "x")
	e.write(t, key, "2")
	next(t, told, "2")
}

func watchEnds(t *testing.T, e *env) {
	ctx, cancel := context.WithCancel(t.Context())
	err := e.WatchKey(ctx, e.key("goal"), func(consul.Entry, bool) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if err := e.WatchPrefix(ctx, e.prefix, func([]consul.Entry) { t.Error("called after its context ended") }); err == nil {
		t.Error("no error from a watch whose context has ended")
	}
}
