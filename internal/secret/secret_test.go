package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sirupsen/logrus"
)

// planted is what no output of this package may hold.
const planted = "planted-secret-4711"

func password(t *testing.T, text string) Password {
	t.Helper()
	p, err := NewPassword(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func key(t *testing.T) Key {
	t.Helper()
	k, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func write(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNothingShowsItself prints and encodes passwords and keys in every way at
// hand, bare, in exported and in unexported fields.
func TestNothingShowsItself(t *testing.T) {
	t.Parallel()
	p, k := password(t, planted), key(t)
	type open struct {
		P    Password
		PP   *Password
		K    Key
		List []Password
		Map  map[string]Password
	}
	type closed struct {
		p Password
		k Key
	}
	o := open{P: p, PP: &p, K: k, List: []Password{p}, Map: map[string]Password{"a": p}}
	values := map[string]any{
		"password": p, "pointer": &p, "key": k, "key pointer": &k,
		"exported fields": o, "pointer to them": &o,
		"unexported fields": closed{p, k}, "pointer to these": &closed{p, k},
	}
	out := map[string]string{}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			out[name+" "+verb] = fmt.Sprintf(verb, v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out[name+" json"] = string(b)
		out[name+" error"] = fmt.Errorf("refused: %v", v).Error()
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		l := logrus.New()
		l.SetOutput(&log)
		l.WithField("v", v).Info(v)
		l.SetFormatter(&logrus.JSONFormatter{})
		l.WithField("v", v).Info(v)
		out[name+" logs"] = log.String()
	}
	forbidden := []string{planted, fmt.Sprintf("%x", planted), "AGE-SECRET-KEY", k.identity.String()[15:]}
	for name, text := range out {
		for _, secret := range forbidden {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s: %s", name, secret, text)
			}
		}
	}
	// The control: the search does find what is there.
	if !strings.Contains(p.Reveal(), planted) || !strings.Contains(k.identity.String(), forbidden[2]) {
		t.Error("the search would find nothing")
	}
	if got := fmt.Sprint(p); got != redacted {
		t.Errorf("a password prints as %q", got)
	}
}

// TestErrorsShowNothing: a secret in the wrong place is in no error.
func TestErrorsShowNothing(t *testing.T) {
	t.Parallel()
	k := key(t)
	private := k.identity.String()
	bad := func(err error) string {
		if err == nil {
			t.Error("no error")
			return ""
		}
		return err.Error()
	}
	_, blank := NewPassword(planted + " blank")
	_, file := ReadPasswordFile(write(t, planted+"\nsecond", 0o600))
	_, mode := ReadPasswordFile(write(t, planted, 0o644))
	_, notKey := LoadKey(write(t, planted+"\n", 0o600))
	_, cutKey := LoadKey(write(t, private[:len(private)-1]+"\n", 0o600))
	_, twoKeys := LoadKey(write(t, private+"\n"+private+"\n", 0o600))
	_, noRecipient := Seal("not-a-recipient", password(t, planted))
	_, noBase64 := k.Open(planted, k.Recipient())
	_, noAge := k.Open(base64.StdEncoding.EncodeToString([]byte(planted)), k.Recipient())
	for _, text := range []string{
		bad(blank), bad(file), bad(mode), bad(notKey), bad(cutKey), bad(twoKeys), bad(noRecipient), bad(noBase64), bad(noAge),
	} {
		if strings.Contains(text, planted) || strings.Contains(text, private[15:30]) {
			t.Errorf("error shows a secret: %s", text)
		}
	}
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	k, other := key(t), key(t)
	p := password(t, planted)
	sealed, err := Seal(k.Recipient(), p)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := base64.StdEncoding.DecodeString(sealed); err != nil || bytes.Contains(raw, []byte(planted)) {
		t.Errorf("sealed in clear: %v", err)
	}
	again, err := Seal(k.Recipient(), p)
	if err != nil || again == sealed {
		t.Errorf("two seals of one password are the same: %v", err)
	}
	got, err := k.Open(sealed, k.Recipient())
	if err != nil || !got.Equal(p) || got.Reveal() != planted {
		t.Errorf("open: %v", err)
	}
	_, err = other.Open(sealed, k.Recipient())
	if !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), k.Recipient()) || !strings.Contains(err.Error(), other.Recipient()) {
		t.Errorf("open with another key: %v", err)
	}
	raw, _ := base64.StdEncoding.DecodeString(sealed)
	raw[len(raw)-1] ^= 1
	for name, text := range map[string]string{
		"a bit turned": base64.StdEncoding.EncodeToString(raw),
		"cut":          sealed[:len(sealed)/2/4*4],
		"empty":        "",
		"no base64":    "%%%",
	} {
		if _, err := k.Open(text, k.Recipient()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v; want %v", name, err, ErrDamaged)
		}
	}
	if _, err := Seal(k.Recipient(), Password{}); err == nil {
		t.Error("no password was sealed")
	}
	if _, err := (Key{}).Open(sealed, k.Recipient()); !errors.Is(err, ErrNoKey) {
		t.Errorf("open without a key: %v", err)
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	k := key(t)
	path := filepath.Join(t.TempDir(), "fleet.key")
	if _, err := LoadKey(path); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), path) {
		t.Errorf("load a missing key: %v", err)
	}
	if err := k.WriteKey(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	content, err := os.ReadFile(path)
	if want := "# public key: " + k.Recipient() + "\nAGE-SECRET-KEY-1"; err != nil || !strings.HasPrefix(string(content), want) {
		t.Errorf("key file does not begin with its public key and an age key: %v", err)
	}
	loaded, err := LoadKey(path)
	if err != nil || loaded.Recipient() != k.Recipient() {
		t.Errorf("load: %v, %v", loaded, err)
	}
	if err := key(t).WriteKey(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("write over a key: %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
		t.Errorf("the key was changed: %v", err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	// As systemd hands it over: root's and 0440. Of any other user it is refused.
	if err := os.Chmod(path, 0o440); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); (err == nil) != (os.Getuid() == 0 && os.Getgid() == 0) {
		t.Errorf("mode 0440 of user %d: %v", os.Getuid(), err)
	}
	if err := (Key{}).WriteKey(filepath.Join(t.TempDir(), "k")); err == nil {
		t.Error("no key was written")
	}
}

// TestReadPrivateHasALimit: 64 KiB, counted to the byte.
func TestReadPrivateHasALimit(t *testing.T) {
	t.Parallel()
	for size, ok := range map[int]bool{64 << 10: true, 64<<10 + 1: false} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPrivate(path); (err == nil) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestReadPasswordFile(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxLength)
	for _, c := range []struct {
		name, content, want, problem string
	}{
		{name: "plain", content: "abc", want: "abc"},
		{name: "one newline at the end", content: "abc\n", want: "abc"},
		{name: "a newline of Windows", content: "abc\r\n", want: "abc"},
		{name: "every sign that is allowed", content: "!#$%&()*+,-./:;<=>?@[]^_`{|}~", want: "!#$%&()*+,-./:;<=>?@[]^_`{|}~"},
		{name: "the longest", content: long + "\n", want: long},
		{name: "empty", content: "", problem: "is empty"},
		{name: "a newline only", content: "\n", problem: "is empty"},
		{name: "two newlines", content: "abc\n\n", problem: "control character at byte 4"},
		{name: "two lines", content: "abc\ndef", problem: "control character at byte 4"},
		{name: "a tab", content: "a\tb", problem: "control character at byte 2"},
		{name: "a zero byte", content: "a\x00b", problem: "control character at byte 2"},
		{name: "a blank", content: "a b", problem: "blank, a quote or a backslash at byte 2"},
		{name: "a double quote", content: `a"b`, problem: "blank, a quote or a backslash at byte 2"},
		{name: "a single quote", content: "a'b", problem: "blank, a quote or a backslash at byte 2"},
		{name: "a backslash", content: `a\b`, problem: "blank, a quote or a backslash at byte 2"},
		{name: "not ASCII", content: "aäb", problem: "not ASCII at byte 2"},
		{name: "too long", content: long + "x", problem: "has 513 bytes; the most is 512"},
		{name: "a whole disk", content: strings.Repeat("x", maxFile+1), problem: "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, c.content, 0o600)
			p, err := ReadPasswordFile(path)
			if c.problem == "" {
				if err != nil || p.Reveal() != c.want {
					t.Errorf("got %q, %v", p.Reveal(), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.problem) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v; want one that says %q and names the file", err, c.problem)
			}
			if !p.IsZero() {
				t.Error("a password came with the error")
			}
		})
	}
	if _, err := ReadPasswordFile(write(t, "abc", 0o644)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
	if _, err := ReadPasswordFile(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
	if _, err := ReadPasswordFile("/nonexistent/file"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestGeneratePassword(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	counts := map[rune]int{}
	const rounds = 2000
	for range rounds {
		p, err := GeneratePassword(rand.Reader)
		if err != nil || p.Validate() != nil || len(p.Reveal()) != passwordLength {
			t.Fatalf("%d characters, %v", len(p.Reveal()), err)
		}
		seen[p.Reveal()] = true
		for _, c := range p.Reveal() {
			counts[c]++
		}
	}
	if len(seen) != rounds || len(counts) != len(alphabet) {
		t.Errorf("%d different passwords of %d, %d different characters", len(seen), rounds, len(counts))
	}
	// Each character is expected 1290 times, with a standard deviation of 36; a
	// plain remainder would put eight of them at 1560.
	for c, n := range counts {
		if mean := rounds * passwordLength / len(alphabet); n < mean-240 || n > mean+240 {
			t.Errorf("%c was drawn %d times; about %d are expected", c, n, mean)
		}
	}
	if _, err := GeneratePassword(iotest.ErrReader(errors.New("no entropy"))); err == nil {
		t.Error("no randomness, and no error")
	}
}
