// Package secret handles passwords and the fleet's key: it makes them, reads
// them from files, and seals them with age so that Consul never holds one in
// clear (promise secrets-stay-secret).
package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a password shows of itself.
const redacted = "[redacted]"

// Password is a password that does not show itself: every way to print or
// encode it gives "[redacted]". Only Reveal gives the text.
type Password struct {
	// text is a pointer because fmt calls no method of a value in an unexported
	// field of somebody else's struct: it prints what it finds there, which now
	// is an address.
	text *string
}

// NewPassword takes a text that Validate finds no fault with.
func NewPassword(text string) (Password, error) {
	p := Password{text: &text}
	if err := p.Validate(); err != nil {
		return Password{}, err
	}
	return p, nil
}

// Reveal gives the text, for a configuration file of mode 0600 or an AUTH.
func (p Password) Reveal() string {
	if p.text == nil {
		return ""
	}
	return *p.text
}

// IsZero tells whether there is no password at all.
func (p Password) IsZero() bool { return p.Reveal() == "" }

// Equal compares in a time that does not depend on where the texts differ.
func (p Password) Equal(q Password) bool {
	return subtle.ConstantTimeCompare([]byte(p.Reveal()), []byte(q.Reveal())) == 1
}

// String keeps the text out of logs.
func (Password) String() string { return redacted }

// GoString keeps it out of %#v.
func (Password) GoString() string { return redacted }

// Format keeps it out of every verb of fmt.
func (Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON keeps it out of JSON.
func (Password) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText keeps it out of TOML and of map keys.
func (Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue keeps it out of log/slog.
func (Password) LogValue() slog.Value { return slog.StringValue(redacted) }

// MaxLength is how long a password may be: Redis's own limit for an AUTH from
// the configuration file (CONFIG_AUTHPASS_MAX_LEN, 512).
const MaxLength = 512

// errPassword begins every error about a password's text.
var errPassword = errors.New("password")

// Validate tells what keeps a text from being a password that every file and
// command in use carries unchanged: it has 1 to 512 bytes of visible ASCII, no
// blank, no quote, no backslash, since Sentinel writes auth-pass back into its
// file without quotes (sentinel.c, rewriteConfigSentinelOption). The error never
// holds the text.
func (p Password) Validate() error {
	text := p.Reveal()
	switch n := len(text); {
	case n == 0:
		return fmt.Errorf("%w is empty", errPassword)
	case n > MaxLength:
		return fmt.Errorf("%w has %d bytes; the most is %d", errPassword, n, MaxLength)
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c < 0x20 || c == 0x7f:
			return fmt.Errorf("%w holds a control character at byte %d", errPassword, i+1)
		case c > 0x7f:
			return fmt.Errorf("%w holds a byte that is not ASCII at byte %d", errPassword, i+1)
		case c == ' ', c == '"', c == '\'', c == '\\':
			return fmt.Errorf("%w holds a blank, a quote or a backslash at byte %d", errPassword, i+1)
		}
	}
	return nil
}

// passwordLength of letters and digits is 238 bits.
const passwordLength = 40

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// GeneratePassword makes a password of 40 letters and digits, each equally
// likely. random is crypto/rand's Reader outside of tests.
func GeneratePassword(random io.Reader) (Password, error) {
	// Bytes from the largest multiple of 62 on are thrown away: a remainder of
	// them would make the first letters likelier.
	const limit = 256 / len(alphabet) * len(alphabet)
	text := make([]byte, 0, passwordLength)
	var b [passwordLength]byte
	for len(text) < passwordLength {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return Password{}, fmt.Errorf("read random bytes: %w", err)
		}
		for _, c := range b {
			if int(c) < limit && len(text) < passwordLength {
				text = append(text, alphabet[int(c)%len(alphabet)])
			}
		}
	}
	return NewPassword(string(text))
}
