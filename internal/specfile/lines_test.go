package specfile

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	t.Parallel()
	src := strings.Join([]string{
		/*  1 */ "# a comment with [brackets] and key = value",
		/*  2 */ "[fleet]",
		/*  3 */ `name = "a # b \" = ["`,
		/*  4 */ "",
		/*  5 */ "[[group]] # the first",
		/*  6 */ `nodes = ["n1", # one`,
		/*  7 */ `  'n2',`,
		/*  8 */ `  "n3" ]`,
		/*  9 */ `password = { generate = true, file = "}" }`,
		/* 10 */ "[group.sentinel]",
		/* 11 */ "quorum = 2",
		/* 12 */ "[[ group ]]",
		/* 13 */ "sentinel.quorum = 3",
		/* 14 */ `"quoted.key" = '''`,
		/* 15 */ "quorum = 9",
		/* 16 */ `[nothing]'''`,
		/* 17 */ `text = """x""""`,
		/* 18 */ "[group.config]\r",
		/* 19 */ "hz = 1_0\r",
		/* 20 */ "[[group.list]]",
		/* 21 */ "x = 1",
		/* 22 */ "[[group.list]]",
		/* 23 */ "x = 2",
	}, "\n")
	tree := map[string]any{}
	if err := toml.Unmarshal([]byte(src), &tree); err != nil {
		t.Fatal(err)
	}
	want := lines{
		"fleet": 2, "fleet.name": 3,
		"group": 5, "group[0]": 5, "group[0].nodes": 6, "group[0].nodes[0]": 6, "group[0].nodes[1]": 7, "group[0].nodes[2]": 8,
		"group[0].password": 9, "group[0].password.generate": 9, "group[0].password.file": 9,
		"group[0].sentinel": 10, "group[0].sentinel.quorum": 11,
		"group[1]": 12, "group[1].sentinel": 13, "group[1].sentinel.quorum": 13, "group[1].quoted.key": 14, "group[1].text": 17,
		"group[1].config": 18, "group[1].config.hz": 19,
		"group[1].list": 20, "group[1].list[0]": 20, "group[1].list[0].x": 21, "group[1].list[1]": 22, "group[1].list[1].x": 23,
	}
	if diff := cmp.Diff(want, findLines(src)); diff != "" {
		t.Error(diff)
	}
}

func TestLineOfAnUnwrittenKey(t *testing.T) {
	t.Parallel()
	at := lines{"fleet": 1, "group[1]": 9, "group[1].nodes[0]": 10}
	for path, want := range map[string]int{
		"group[1].sentinel.quorum": 9, "group[1].nodes[0]": 10, "group[1].nodes[7]": 9, "fleet.name": 1, "group[0].name": 0, "": 0,
	} {
		if got := at.of(path); got != want {
			t.Errorf("%q: got %d, want %d", path, got, want)
		}
	}
}

// FuzzLines: of whatever the toml library accepts, each key has a line; and the
// scan of anything else ends.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		"a = 1", "[a.b]\nc = [1, [2, 3], {d = 4}]", "[[a]]\n[[a.b]]\n[[a]]", "a.\"b.c\".'d' = \"\"\"\n\\\"\"\"\"\"",
		"\ufeffa = 1979-05-27T07:32:00Z", "a = '''''''", "[", "a = [", "a = {", "a = \"", "= 1", "a", "[[", "'", "\"\\",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		found := make(chan lines, 1)
		go func() { found <- findLines(src) }()
		var at lines
		select {
		case at = <-found:
		case <-time.After(5 * time.Second):
			t.Fatal("the scan does not end")
		}
		tree := map[string]any{}
		if toml.Unmarshal([]byte(src), &tree) != nil {
			return
		}
		wantLines(t, at, strings.Count(src, "\n")+1, "", tree)
	})
}

func wantLines(t *testing.T, at lines, last int, path string, value any) {
	t.Helper()
	if n := at[path]; path != "" && (n < 1 || n > last) {
		t.Errorf("%s has line %s", path, strconv.Itoa(n))
	}
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			wantLines(t, at, last, child(path, key), inner)
		}
	case []map[string]any:
		for i, inner := range v {
			wantLines(t, at, last, element(path, i), inner)
		}
	case []any:
		for i, inner := range v {
			wantLines(t, at, last, element(path, i), inner)
		}
	}
}
