package consultest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/consul"
)

func kvCases() map[string]func(*testing.T, *env) {
	return map[string]func(*testing.T, *env){
		"a missing key is not found and no error":     missingKey,
		"create writes only what is not there (K7)":   createOnly,
		"CAS writes only over the index it read":      casIndex,
		"writing the same value keeps the index":      sameValue,
		"deleting":                                    deleting,
		"list and keys give a folder in order":        listing,
		"values come back byte for byte":              bytesKept,
		"a leader is known":                           leaderKnown,
		"check-missing and check-index hold and fail": conditions,
	}
}

func missingKey(t *testing.T, e *env) {
	if _, found, err := e.Get(t.Context(), e.key("a")); found || err != nil {
		t.Errorf("Get: found %v, error %v; want neither", found, err)
	}
	if list, err := e.List(t.Context(), e.prefix); len(list) > 0 || err != nil {
		t.Errorf("List: %v, error %v; want neither", list, err)
	}
	if keys, err := e.Keys(t.Context(), e.prefix); len(keys) > 0 || err != nil {
		t.Errorf("Keys: %v, error %v; want neither", keys, err)
	}
}

func createOnly(t *testing.T, e *env) {
	key := e.key("a")
	res, err := e.Txn(t.Context(), consul.Create(key, []byte("first")))
	if err != nil {
		t.Fatalf("creating: %v", err)
	}
	if res[0].Index == 0 || res[0].Index != res[0].CreateIndex {
		t.Errorf("a new key has index %d and create index %d, want the same", res[0].Index, res[0].CreateIndex)
	}
	_, err = e.Txn(t.Context(), consul.Create(key, []byte("second")))
	wantConflict(t, err, 0)
	e.wantValue(t, key, "first")
}

func casIndex(t *testing.T, e *env) {
	key := e.key("a")
	old := e.write(t, key, "1")
	res, err := e.Txn(t.Context(), consul.CAS(key, []byte("2"), old))
	if err != nil {
		t.Fatalf("with the right index: %v", err)
	}
	if res[0].Index <= old {
		t.Errorf("the index went from %d to %d, want it higher", old, res[0].Index)
	}
	entry, _, err := e.Get(t.Context(), key)
	if err != nil || entry.Index != res[0].Index {
		t.Errorf("Get gives index %d, error %v; the write gave %d", entry.Index, err, res[0].Index)
	}
	_, err = e.Txn(t.Context(), consul.CAS(key, []byte("3"), old))
	wantConflict(t, err, 0)
	_, err = e.Txn(t.Context(), consul.CAS(e.key("none"), []byte("3"), old))
	wantConflict(t, err, 0)
	e.wantValue(t, key, "2")
}

func sameValue(t *testing.T, e *env) {
	key := e.key("a")
	before := e.write(t, key, "same")
	if after := e.write(t, key, "same"); after != before {
		t.Errorf("the index went from %d to %d", before, after)
	}
}

func deleting(t *testing.T, e *env) {
	key := e.key("a")
	old := e.write(t, key, "1")
	now := e.write(t, key, "2")
	_, err := e.Txn(t.Context(), consul.DeleteCAS(key, old))
	wantConflict(t, err, 0)
	e.wantValue(t, key, "2")
	if _, err := e.Txn(t.Context(), consul.DeleteCAS(key, now)); err != nil {
		t.Errorf("DeleteCAS with the right index: %v", err)
	}
	e.wantValue(t, key, "-")
	// Consul counts a key that is not there as deleted, with CAS too.
	if _, err := e.Txn(t.Context(), consul.DeleteCAS(key, now), consul.Delete(key)); err != nil {
		t.Errorf("deleting what is not there: %v", err)
	}
	first := e.write(t, key, "3")
	entry, _, err := e.Get(t.Context(), key)
	if err != nil || entry.CreateIndex != first {
		t.Errorf("a key made anew has create index %d, error %v; want %d", entry.CreateIndex, err, first)
	}
}

func listing(t *testing.T, e *env) {
	for _, name := range []string{"b", "a", "sub/c"} {
		e.write(t, e.key(name), "value of "+name)
	}
	keys, err := e.Keys(t.Context(), e.prefix)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{e.key("a"), e.key("b"), e.key("sub/c")}
	if d := cmp.Diff(want, keys); d != "" {
		t.Errorf("Keys (-want +got):\n%s", d)
	}
	list, err := e.List(t.Context(), e.prefix)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range list {
		got = append(got, entry.Key+"="+string(entry.Value))
	}
	want = []string{e.key("a") + "=value of a", e.key("b") + "=value of b", e.key("sub/c") + "=value of sub/c"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("List (-want +got):\n%s", d)
	}
}

func bytesKept(t *testing.T, e *env) {
	for label, value := range map[string]string{
		"empty":   "",
		"binary":  "\x00\xff\n\"",
		"unicode": "größe ✓",
	} {
		e.write(t, e.key(label), value)
		e.wantValue(t, e.key(label), value)
	}
}

func leaderKnown(t *testing.T, e *env) {
	if leader, err := e.Leader(t.Context()); leader == "" || err != nil {
		t.Errorf("leader %q, error %v", leader, err)
	}
}

func conditions(t *testing.T, e *env) {
	here, gone, target := e.key("here"), e.key("gone"), e.key("target")
	index := e.write(t, here, "1")
	tests := map[string]struct {
		condition consul.Op
		holds     bool
	}{
		"missing":        {consul.CheckMissing(gone), true},
		"not missing":    {consul.CheckMissing(here), false},
		"index":          {consul.CheckIndex(here, index), true},
		"another index":  {consul.CheckIndex(here, index+1), false},
		"index of none":  {consul.CheckIndex(gone, index), false},
		"session of one": {consul.CheckSession(gone, "00000000-0000-0000-0000-000000000000"), false},
	}
	for label, tt := range tests {
		before := e.value(t, target)
		_, err := e.Txn(t.Context(), tt.condition, consul.Set(target, []byte(label)))
		if tt.holds {
			if err != nil {
				t.Errorf("%s: %v", label, err)
			}
			e.wantValue(t, target, label)
			continue
		}
		wantConflict(t, err, 0)
		e.wantValue(t, target, before)
	}
}

// wantConflict checks that a transaction was rolled back because of the step at
// position, and that the error names it.
func wantConflict(t *testing.T, err error, position int) {
	t.Helper()
	var conflict *consul.ConflictError
	switch {
	case !errors.Is(err, consul.ErrConflict) || !errors.As(err, &conflict):
		t.Errorf("error %v, want a conflict", err)
	case conflict.Position != position:
		t.Errorf("the conflict names step %d, want %d: %v", conflict.Position, position, err)
	case conflict.Op.Key() == "" || conflict.What == "":
		t.Errorf("the conflict does not say what failed: %v", err)
	}
}
