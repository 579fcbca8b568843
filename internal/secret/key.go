package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
)

// Key is the fleet's key: who has it can open the fleet's secrets. Printed, it
// shows its public half.
type Key struct {
	identity *age.X25519Identity
	fleet    string
}

// GenerateKey makes a new key.
func GenerateKey() (Key, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return Key{}, fmt.Errorf("generate the fleet's key: %w", err)
	}
	return Key{identity: id}, nil
}

// ForFleet is the key with the name of its fleet, which WriteKey writes beside it.
func (k Key) ForFleet(name string) Key { k.fleet = name; return k }

// Fleet is the name of the fleet that the key's file says it belongs to; empty
// where it says nothing.
func (k Key) Fleet() string { return k.fleet }

// fleetComment is how a key's file names its fleet; to age it is a comment.
const fleetComment = "# redfleet fleet: "

// Recipient is the public half, "age1…": with it a secret is sealed, and not opened.
func (k Key) Recipient() string {
	if k.identity == nil {
		return ""
	}
	return k.identity.Recipient().String()
}

// String is the public half.
func (k Key) String() string { return "fleet key " + k.Recipient() }

// GoString keeps the private half out of %#v.
func (k Key) GoString() string { return k.String() }

// Format keeps the private half out of every verb of fmt.
func (k Key) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, k.String()) }

// MarshalText keeps the private half out of JSON and TOML.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.Recipient()), nil }

// ErrNoKey: there is no file at the path of the fleet's key.
var ErrNoKey = errors.New("the fleet's key is missing")

// LoadKey reads a key file: age's own format, mode 0600. ErrNoKey when there is
// none. No error holds any of the file's content.
func LoadKey(path string) (Key, error) {
	b, err := ReadPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("%w: %s; copy it from a machine of the fleet", ErrNoKey, path)
	}
	if err != nil {
		return Key{}, fmt.Errorf("fleet key: %w", err)
	}
	var found []*age.X25519Identity
	fleet := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, fleetComment); ok {
			fleet = strings.TrimSpace(name)
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		// age's own error may repeat the line.
		id, err := age.ParseX25519Identity(line)
		if err != nil {
			return Key{}, fmt.Errorf("fleet key %s is no age key: want one line AGE-SECRET-KEY-1… and comments", path)
		}
		found = append(found, id)
	}
	if len(found) != 1 {
		return Key{}, fmt.Errorf("fleet key %s holds %d keys; want one line AGE-SECRET-KEY-1…", path, len(found))
	}
	return Key{identity: found[0], fleet: fleet}, nil
}

// WriteKey writes the key to a new file of mode 0600, in age's own format. A
// file that is there already is never touched (fs.ErrExist): it may be the only
// thing that opens a fleet's secrets.
func (k Key) WriteKey(path string) error {
	if k.identity == nil {
		return errors.New("write the fleet's key: there is none")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("write the fleet's key: %w", err)
	}
	text := fmt.Sprintf("# public key: %s\n%s\n", k.Recipient(), k.identity.String())
	if k.fleet != "" {
		text = fleetComment + k.fleet + "\n" + text
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		// Half a key is worse than none: it would be refused from now on.
		return fmt.Errorf("write the fleet's key: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// Digest stands for a password where it must not be shown: two are equal under
// one key where the passwords are. Without the private half it says nothing about
// the password. No password has no digest.
func (k Key) Digest(p Password) string {
	if k.identity == nil || p.IsZero() {
		return ""
	}
	mac := hmac.New(sha256.New, []byte("redfleet password digest "+k.identity.String()))
	mac.Write([]byte(p.Reveal()))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
