package consultest

import (
	"errors"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/consul"
)

func txnCases() map[string]func(*testing.T, *env) {
	return map[string]func(*testing.T, *env){
		"all steps happen or none":                             allOrNone,
		"a conflict names the step that failed":                namesStep,
		"results stand beside their steps":                     results,
		"check-session holds only for the holder (K3)":         fence,
		"a lost fence is named before every other failed step": fenceFirst,
		"no steps are no request":                              noSteps,
		"128 steps fit, 129 do not (K3)":                       stepLimit,
		"380 KiB of values fit, 512 KiB do not (K3)":           sizeLimit,
		"what Split cuts is taken whole":                       splitTaken,
	}
}

func allOrNone(t *testing.T, e *env) {
	a, b, c := e.key("a"), e.key("b"), e.key("c")
	e.write(t, b, "old")
	_, err := e.Txn(t.Context(),
		consul.Set(a, []byte("new")), consul.Create(b, []byte("new")), consul.Delete(b), consul.Set(c, []byte("new")))
	wantConflict(t, err, 1)
	e.wantValue(t, a, "-")
	e.wantValue(t, b, "old")
	e.wantValue(t, c, "-")
	if _, err := e.Txn(t.Context(), consul.Set(a, []byte("new")), consul.Delete(b)); err != nil {
		t.Fatal(err)
	}
	e.wantValue(t, a, "new")
	e.wantValue(t, b, "-")
}

func namesStep(t *testing.T, e *env) {
	index := e.write(t, e.key("a"), "1")
	_, err := e.Txn(t.Context(), consul.Set(e.key("b"), nil), consul.CheckIndex(e.key("a"), index),
		consul.CAS(e.key("a"), []byte("secret value"), index+1))
	wantConflict(t, err, 2)
	text := err.Error()
	if !strings.Contains(text, e.key("a")) || !strings.Contains(text, "cas") {
		t.Errorf("the error names neither key nor verb: %v", err)
	}
	if strings.Contains(text, "secret value") {
		t.Errorf("the error shows the value: %v", err)
	}
}

func results(t *testing.T, e *env) {
	a, b, c := e.key("a"), e.key("b"), e.key("c")
	index := e.write(t, b, "1")
	res, err := e.Txn(t.Context(),
		consul.Set(a, []byte("1")), consul.CheckMissing(c), consul.CheckIndex(b, index),
		consul.Delete(b), consul.Set(c, []byte("1")))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range res {
		got = append(got, strings.TrimPrefix(entry.Key, e.prefix))
	}
	if text := strings.Join(got, ","); text != "a,,b,,c" {
		t.Errorf("results are for %q, want those of a, b and c in their places", text)
	}
}

func fence(t *testing.T, e *env) {
	lease, goal := e.key("lease"), e.key("goal")
	first, second := e.session(t, 0), e.session(t, 0)
	acquire(t, e, lease, first, true)
	if _, err := e.Txn(t.Context(), consul.CheckSession(lease, first), consul.Set(goal, []byte("1"))); err != nil {
		t.Fatalf("while held: %v", err)
	}
	_, err := e.Txn(t.Context(), consul.CheckSession(lease, second), consul.Set(goal, []byte("2")))
	wantLost(t, err)
	if err := e.DestroySession(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	_, err = e.Txn(t.Context(), consul.CheckSession(lease, first), consul.Set(goal, []byte("3")))
	wantLost(t, err)
	acquire(t, e, lease, second, true)
	_, err = e.Txn(t.Context(), consul.CheckSession(lease, first), consul.Set(goal, []byte("4")))
	wantLost(t, err)
	e.wantValue(t, goal, "1")
}

func wantLost(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, consul.ErrConflict) || !errors.Is(err, consul.ErrLeaseLost) {
		t.Errorf("error %v, want a conflict by a lost lease", err)
	}
}

func fenceFirst(t *testing.T, e *env) {
	e.write(t, e.key("a"), "1")
	session := e.session(t, 0)
	_, err := e.Txn(t.Context(), consul.Create(e.key("a"), nil), consul.CheckSession(e.key("a"), session))
	wantLost(t, err)
	wantConflict(t, err, 1)
}

func noSteps(t *testing.T, e *env) {
	if res, err := e.Txn(t.Context()); len(res) > 0 || err != nil {
		t.Errorf("results %v, error %v", res, err)
	}
}

func stepLimit(t *testing.T, e *env) {
	var ops []consul.Op
	for i := range consul.MaxTxnOps {
		ops = append(ops, consul.Set(e.key(name("%03d", i)), []byte("x")))
	}
	if _, err := e.Txn(t.Context(), ops...); err != nil {
		t.Errorf("%d steps: %v", len(ops), err)
	}
	ops = append(ops, consul.Set(e.key("more"), nil))
	if _, err := e.Txn(t.Context(), ops...); !errors.Is(err, consul.ErrTooLarge) {
		t.Errorf("%d steps: error %v, want too large", len(ops), err)
	}
}

func sizeLimit(t *testing.T, e *env) {
	large := consul.Set(e.key("a"), repeat("x", 380*1024))
	if _, err := e.Txn(t.Context(), large); err != nil {
		t.Errorf("380 KiB: %v", err)
	}
	for _, kib := range []int{400, 512, 600} {
		_, err := e.Txn(t.Context(), consul.Set(e.key("b"), repeat("x", kib*1024)))
		if !errors.Is(err, consul.ErrTooLarge) {
			t.Errorf("%d KiB: error %v, want too large", kib, err)
		}
	}
}

func splitTaken(t *testing.T, e *env) {
	lease, session := e.key("lease"), e.session(t, 0)
	acquire(t, e, lease, session, true)
	var ops []consul.Op
	for i := range 300 {
		ops = append(ops, consul.Set(e.key(name("goal/%03d", i)), repeat("x", 4000)))
	}
	batches := consul.Split(consul.CheckSession(lease, session), ops)
	if len(batches) < 3 {
		t.Errorf("300 steps of 4 KB came in %d batches", len(batches))
	}
	for _, batch := range batches {
		if _, err := e.Txn(t.Context(), batch...); err != nil {
			t.Fatalf("a batch of %d: %v", len(batch), err)
		}
	}
	if keys, err := e.Keys(t.Context(), e.key("goal/")); len(keys) != 300 || err != nil {
		t.Errorf("%d keys arrived, error %v; want 300", len(keys), err)
	}
}

func acquire(t *testing.T, e *env, key, session string, want bool) {
	t.Helper()
	got, err := e.Acquire(t.Context(), key, []byte(session), session)
	if err != nil || got != want {
		t.Fatalf("acquiring %s: %v, error %v; want %v", key, got, err, want)
	}
}
