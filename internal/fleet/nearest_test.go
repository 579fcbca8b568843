package fleet

import (
	"slices"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	directives := []string{"appendonly", "dir", "maxclients", "maxmemory", "maxmemory-policy", "port", "save", "tcp-keepalive"}
	tests := []struct {
		name, word string
		known      []string
		want       string
	}{
		{"a letter missing", "maxmemry", directives, "maxmemory"},
		{"two letters swapped", "prot", directives, "port"},
		{"a letter too much", "saves", directives, "save"},
		{"another case", "AppendOnly", directives, "appendonly"},
		{"underscores for hyphens", "tcp_keepalive", directives, "tcp-keepalive"},
		{"cut short", "append", directives, "appendonly"},
		{"drawn out", "warning", []string{"debug", "info", "warn", "error"}, "warn"},
		{"cut short, but of two words", "max", directives, ""},
		{"unlike any", "quorum", directives, ""},
		{"too short to guess", "n1", []string{"k1", "k2"}, ""},
		{"too short, but the case alone differs", "N1", []string{"k1", "n1"}, "n1"},
		{"nothing known", "port", nil, ""},
		{"no word", "", directives, ""},
		{"the first of two as near", "n12", []string{"n11", "n13"}, "n11"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := Nearest(tt.word, tt.known)
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

func TestEditDistance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"port", "port", 0}, {"prot", "port", 1},
		{"ca", "abc", 3}, {"kitten", "sitting", 3}, {"quorum", "qorumm", 2},
	}
	for _, tt := range tests {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := editDistance(tt.b, tt.a); got != tt.want {
			t.Errorf("%q to %q: got %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}

func TestOwnedDirective(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		says  string
		owned bool
	}{
		{"port", "port in the [[group]]", true},
		{"Port", "port in the [[group]]", true},
		{"requirepass", "password in the [[group]]", true},
		{"slaveof", "prefer in the [[group]]", true},
		{"replica-announce-ip", "announce in [group.sentinel]", true},
		{"replica-announced", "announce in [group.sentinel]", true},
		{"slave-announce-port", "announce in [group.sentinel]", true},
		{"cluster-node-timeout", "no key", true},
		{"tls-port", "no key", true},
		{"include", "[group.config]", true},
		{"maxmemory", "", false},
		{"replica-serve-stale-data", "", false},
		{"directory", "", false},
		{"cluster", "", false},
		{"", "", false},
	}
	for _, tt := range tests {
		instead, owned := OwnedDirective(tt.name)
		if owned != tt.owned || !strings.Contains(instead, tt.says) {
			t.Errorf("%s: got %q, %v; want %q, %v", tt.name, instead, owned, tt.says, tt.owned)
		}
	}
}

// TestOwnedList: the list is usable as it stands by whoever prints or matches it.
func TestOwnedList(t *testing.T) {
	t.Parallel()
	names := OwnedDirectives()
	for i, name := range names {
		if name != strings.ToLower(name) || strings.Contains(strings.TrimSuffix(name, "*"), "*") {
			t.Errorf("%q is not in lower case with at most one * at its end", name)
		}
		if slices.Contains(names[:i], name) {
			t.Errorf("%q is listed twice", name)
		}
		if _, owned := OwnedDirective(strings.TrimSuffix(name, "*")); !owned {
			t.Errorf("%q is listed and not owned", name)
		}
	}
}
