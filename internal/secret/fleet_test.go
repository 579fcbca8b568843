package secret

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// TestKeyFileNamesItsFleet: the file tells which fleet it is for, and stays one
// that age itself reads.
func TestKeyFileNamesItsFleet(t *testing.T) {
	t.Parallel()
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "shop"} {
		path := filepath.Join(t.TempDir(), "fleet.key")
		if err := key.ForFleet(name).WriteKey(path); err != nil {
			t.Fatal(err)
		}
		got, err := LoadKey(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.Fleet() != name || got.Recipient() != key.Recipient() {
			t.Errorf("the key of fleet %q is read as one of %q", name, got.Fleet())
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := age.ParseIdentities(strings.NewReader(string(text))); err != nil || len(ids) != 1 {
			t.Errorf("age reads %d identities, %v", len(ids), err)
		}
	}
}
