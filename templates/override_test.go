package templates

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

func sprint(format string, args ...any) string {
	return fmt.Sprintf(strings.Repeat(format+" ", len(args)), args...)
}

// override writes the built-in template with an edit into a folder.
func override(t *testing.T, name string, edit func(string) string) string {
	t.Helper()
	text, err := embedded.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(edit(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOverrideIsUsed(t *testing.T) {
	t.Parallel()
	dir := override(t, RedisTemplate, func(s string) string { return s + "\nslowlog-max-len 512\n" })
	set, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := set.Redis(redisData(nil))
	if err != nil || !strings.Contains(string(text), "\nslowlog-max-len 512\n") {
		t.Errorf("the override is not used: %v", err)
	}
	if _, err := set.Sentinel(sentinelData(nil)); err != nil {
		t.Errorf("the other template is the built-in one: %v", err)
	}
}

func TestOverrideIsRefused(t *testing.T) {
	t.Parallel()
	without := func(start string) func(string) string {
		return func(s string) string {
			var kept []string
			for line := range strings.Lines(s) {
				if !strings.HasPrefix(line, start) {
					kept = append(kept, line)
				}
			}
			return strings.Join(kept, "")
		}
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	cases := []struct {
		name, file string
		edit       func(string) string
		says       string
	}{
		{"does not parse", RedisTemplate, replace("{{.Addr.Port}}", "{{.Addr.Port"), "does not parse"},
		{"unknown field", RedisTemplate, replace("{{.Addr.Port}}", "{{.Prt}}"), "Prt"},
		{"loses requirepass", RedisTemplate, without("requirepass"), `"requirepass" is missing`},
		{"loses masterauth", RedisTemplate, without("masterauth"), `"masterauth" is missing`},
		{"loses the port", RedisTemplate, without("port"), `"port" is missing`},
		{"does not quote the password", RedisTemplate, replace("{{quote .Password}}", "{{.Password}} x"), `"requirepass" has another value`},
		{"opens protected-mode", RedisTemplate, replace("protected-mode yes", "protected-mode no"), `"protected-mode" has another value`},
		{"sets a role", RedisTemplate, func(s string) string { return s + "slaveof h 1\n" }, `"replicaof" is there 1 times`},
		{"adds an aclfile", RedisTemplate, func(s string) string { return s + "aclfile /x\n" }, `sets "aclfile"`},
		{"adds an include", RedisTemplate, func(s string) string { return s + "include /x\n" }, `sets "include"`},
		{"drops the spec's settings", RedisTemplate, replace("{{.}}", ""), `"maxmemory" is missing`},
		{"a second monitor line", SentinelTemplate, func(s string) string { return s + "sentinel monitor x h 1 2\n" }, `"sentinel monitor" is there 2 times`},
		{"loses auth-pass", SentinelTemplate, without("sentinel auth-pass"), `"sentinel auth-pass" is missing`},
		{"loses sentinel-pass", SentinelTemplate, without("sentinel sentinel-pass"), `"sentinel sentinel-pass" is missing`},
		{"an open quote", SentinelTemplate, func(s string) string { return s + "dir \"x\n" }, "unbalanced"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := override(t, c.file, c.edit)
			set, err := New(dir)
			if err == nil && c.file == RedisTemplate {
				_, err = set.Redis(redisData(func(d *RedisData) { d.Config = fleet.Directives{"maxmemory": {"1gb"}} }))
			} else if err == nil {
				_, err = set.Sentinel(sentinelData(nil))
			}
			refused(t, err, c.says)
			if err != nil && !strings.Contains(err.Error(), filepath.Join(dir, c.file)) {
				t.Errorf("the error does not name the file: %v", err)
			}
		})
	}
}

func TestNewRefusesAFolderThatIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := New(filepath.Join(dir, "gone")); err == nil {
		t.Error("a missing folder is accepted")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(file); err == nil {
		t.Error("a file is accepted as folder")
	}
}

// What the templates write and may be written over must not hold what belongs to
// the engine.
func TestMergeOwned(t *testing.T) {
	t.Parallel()
	cases := []struct {
		kind fleet.Kind
		name string
		want bool
	}{
		{fleet.KindRedis, "requirepass", true},
		{fleet.KindRedis, "slave-announce-ip", true},
		{fleet.KindRedis, "maxmemory", true}, // the spec sets it
		{fleet.KindRedis, "appendonly", false},
		{fleet.KindRedis, "replicaof", false},
		{fleet.KindRedis, "slaveof", false},
		{fleet.KindRedis, "user", false},
		{fleet.KindRedis, "replica-priority", false},
		{fleet.KindRedis, "tls-port", false},
		{fleet.KindSentinel, "sentinel monitor", true},
		{fleet.KindSentinel, "sentinel auth-pass", true},
		{fleet.KindSentinel, "sentinel known-slave", false},
		{fleet.KindSentinel, "sentinel myid", false},
		{fleet.KindSentinel, "sentinel config-epoch", false},
		{fleet.KindSentinel, "user", false},
		{fleet.KindSentinel, "maxmemory", false},
	}
	config := fleet.Directives{"MaxMemory": {"1gb"}}
	for _, c := range cases {
		if got := MergeOwned(c.kind, config)(c.name); got != c.want {
			t.Errorf("%s %q: %v", c.kind, c.name, got)
		}
	}
	for _, kind := range []fleet.Kind{fleet.KindRedis, fleet.KindSentinel} {
		for _, name := range Owned(kind) {
			if kind == fleet.KindSentinel && redisconf.Canonical(name) != name {
				t.Errorf("%q is not canonical", name)
			}
		}
	}
}
