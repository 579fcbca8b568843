package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
)

// newKey makes a fleet's key.
func newKey(t *testing.T) secret.Key {
	t.Helper()
	key, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPassword: what lies on the disk counts only where it is this group's, at
// the goal's version or a later one; else it is fetched (version 0).
func TestPassword(t *testing.T) {
	t.Parallel()
	key, other := newKey(t), newKey(t)
	password, err := secret.NewPassword("a-password-of-the-group")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secret.Seal(key.Recipient(), password)
	if err != nil {
		t.Fatal(err)
	}
	kept := fleet.Secret{Format: fleet.Format, Group: "main", GroupID: "g1", Version: 3, Recipient: key.Recipient(), Sealed: sealed}
	for _, c := range []struct {
		name    string
		goal    fleet.InstanceGoal
		key     secret.Key
		version int
		says    string
	}{
		{"the goal's version", fleet.InstanceGoal{Group: "main", GroupID: "g1", SecretVersion: 3}, key, 3, ""},
		{"a later one than the goal's", fleet.InstanceGoal{Group: "main", GroupID: "g1", SecretVersion: 2}, key, 3, ""},
		{"an older one than the goal's", fleet.InstanceGoal{Group: "main", GroupID: "g1", SecretVersion: 4}, key, 0, ""},
		{"of another group of that name", fleet.InstanceGoal{Group: "main", GroupID: "g2", SecretVersion: 3}, key, 0, ""},
		{"of a group that has none here", fleet.InstanceGoal{Group: "more", GroupID: "", SecretVersion: 0}, key, 0, ""},
		{"another fleet's key", fleet.InstanceGoal{Group: "main", GroupID: "g1", SecretVersion: 3}, other, 0, "the password of group main"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store, err := state.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if err := store.SaveSecret(kept); err != nil {
				t.Fatal(err)
			}
			got, version, err := store.Password(c.key, c.goal)
			if version != c.version || (err != nil) != (c.says != "") {
				t.Fatalf("version %d, error %v; want %d", version, err, c.version)
			}
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
			if version > 0 && got.Reveal() != password.Reveal() {
				t.Error("the password is another one")
			}
		})
	}
}

// TestDamagedSecret: one that cannot be read is an error, never taken for none.
func TestDamagedSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.SaveSecret(fleet.Secret{Format: fleet.Format, Group: "main"}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "secret-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files of the secret: %v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, version, err := store.Password(newKey(t), fleet.InstanceGoal{Group: "main"}); err == nil {
		t.Errorf("version %d and no error", version)
	}
}
