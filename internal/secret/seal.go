package secret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// ErrWrongKey: the secret was sealed for another key.
var ErrWrongKey = errors.New("sealed with another fleet's key")

// ErrDamaged: the sealed text is not what was written.
var ErrDamaged = errors.New("the sealed secret is damaged")

// Seal encrypts a password for the owner of a key: an age file in base64.
func Seal(recipient string, password Password) (string, error) {
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		return "", fmt.Errorf("seal a password: recipient %q is no age public key", recipient)
	}
	if err := password.Validate(); err != nil {
		return "", fmt.Errorf("seal a password: %w", err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return "", fmt.Errorf("seal a password: %w", err)
	}
	if _, err := io.WriteString(w, password.Reveal()); err != nil {
		return "", fmt.Errorf("seal a password: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("seal a password: %w", err)
	}
	return base64.StdEncoding.EncodeToString(out.Bytes()), nil
}

// Open decrypts what Seal made. recipient is the public key that the record
// names as the one it was sealed for; the error ErrWrongKey names both, and
// ErrDamaged says that nothing can be opened from this text.
func (k Key) Open(sealed, recipient string) (Password, error) {
	if k.identity == nil {
		return Password{}, fmt.Errorf("open a secret: %w", ErrNoKey)
	}
	file, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return Password{}, fmt.Errorf("open a secret: %w: no base64", ErrDamaged)
	}
	r, err := age.Decrypt(bytes.NewReader(file), k.identity)
	if noMatch := (*age.NoIdentityMatchError)(nil); errors.As(err, &noMatch) {
		return Password{}, fmt.Errorf("open a secret: %w: it was sealed for %s, the key here is %s",
			ErrWrongKey, recipient, k.Recipient())
	}
	if err != nil {
		// age's own text may repeat what it was given.
		return Password{}, fmt.Errorf("open a secret: %w: no age file, or not all of it", ErrDamaged)
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxLength+1))
	if err != nil {
		return Password{}, fmt.Errorf("open a secret: %w: its content was changed or cut", ErrDamaged)
	}
	p, err := NewPassword(string(text))
	if err != nil {
		return Password{}, fmt.Errorf("open a secret: %w: %w", ErrDamaged, err)
	}
	return p, nil
}
