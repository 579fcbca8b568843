package redisconf

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSplitFollowsTheEngine(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, line string
		want       []string
		bad        bool
	}{
		{name: "nothing", line: ""},
		{name: "white space only", line: " \t\v\f "},
		{name: "plain words", line: "save 3600  1", want: []string{"save", "3600", "1"}},
		{name: "empty string", line: `save ""`, want: []string{"save", ""}},
		{name: "escapes", line: `x "\x41\n\r\t\b\a\\\"\q"`, want: []string{"x", "A\n\r\t\b\a\\\"q"}},
		{name: "a \\x without two hex digits is an x", line: `"\xg1"`, want: []string{"xg1"}},
		{name: "single quotes know one escape", line: `'a\'b\n"'`, want: []string{`a'b\n"`}},
		{name: "a quote opens within a word", line: `foo"bar" x`, want: []string{"foobar", "x"}},
		{name: "no comment behind a directive", line: `port 1 # x`, want: []string{"port", "1", "#", "x"}},
		{name: "vertical tab ends no plain word", line: "a\vb", want: []string{"a\vb"}},
		{name: "open double quote", line: `x "abc`, bad: true},
		{name: "open single quote", line: `x 'abc`, bad: true},
		{name: "text behind the closing quote", line: `x "abc"d`, bad: true},
		{name: "backslash at the end", line: `x "abc\`, bad: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Split(c.line)
			if c.bad != errors.Is(err, ErrUnbalanced) {
				t.Fatalf("error %v, want one: %v", err, c.bad)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQuoteIsUndoneBySplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		args := rapid.SliceOfN(rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }), 1, 4).Draw(t, "args")
		line := Join(args...)
		if strings.ContainsAny(line, "\n\r\x00") {
			t.Fatalf("%q would end the line", line)
		}
		got, err := Split(line)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(args, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestSafeUnquoted(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]bool{
		"plain": true, `back\slash`: true, "a#b": true, "#b": true, "héé": true, "a=b,c;d": true,
		"": false, "a b": false, `a"b`: false, `a'b`: false, `"a"`: false, "a\nb": false, "a\x00b": false, "\vb": false,
	} {
		if SafeUnquoted(arg) != want {
			t.Errorf("%q: %v", arg, !want)
		}
	}
}
