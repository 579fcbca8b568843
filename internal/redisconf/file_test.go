package redisconf

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func parse(t testing.TB, text string) *File {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFileEdits(t *testing.T) {
	t.Parallel()
	const text = "# head\nPORT 6379\r\n\nsave 3600 1\nsave 300 100\n  maxmemory '1gb'  \nSentinel Known-Slave m 127.0.0.1 1"
	cases := []struct {
		name string
		edit func(*File)
		want string
	}{
		{"nothing", func(*File) {}, text},
		{"the same value keeps its writing", func(f *File) { f.Set("Port", "6379"); f.Set("maxmemory", "1gb") }, text},
		{"a new value keeps its place", func(f *File) { f.Set("port", "7000") }, strings.Replace(text, "PORT 6379\r\n", "port 7000\n", 1)},
		{"further lines go", func(f *File) { f.Set("save", "") }, strings.Replace(text, "save 3600 1\nsave 300 100\n", "save \"\"\n", 1)},
		{"a new directive comes last", func(f *File) { f.Set("requirepass", "a b") }, text + "\nrequirepass \"a b\"\n"},
		{"add", func(f *File) { f.Add("save", "60", "1") }, text + "\nsave 60 1\n"},
		{"remove by the newer name", func(f *File) { f.Remove("sentinel known-replica") }, text[:strings.Index(text, "Sentinel")]},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := parse(t, text)
			c.edit(f)
			if diff := cmp.Diff(c.want, string(f.Bytes())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGetTakesOldAndNewNames(t *testing.T) {
	t.Parallel()
	f := parse(t, "slaveof h 1\nslave-priority 5\nmin-slaves-to-write 1\nprimaryauth x\nSENTINEL known-slave m h 2\n")
	for name, want := range map[string][][]string{
		"replicaof":              {{"h", "1"}},
		"SLAVEOF":                {{"h", "1"}},
		"replica-priority":       {{"5"}},
		"min-replicas-to-write":  {{"1"}},
		"masterauth":             {{"x"}},
		"sentinel known-replica": {{"m", "h", "2"}},
		"absent":                 nil,
	} {
		if diff := cmp.Diff(want, f.Get(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestParseNamesTheLineAndNoContent(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"open quote": "port 1\nrequirepass \"sesame\n",
		"NUL byte":   "port 1\nrequirepass sesame\x00\n",
	} {
		_, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: error %v, want line 2 and not its content", name, err)
		}
	}
}

// fileText draws files of directives, comments, blanks and odd line ends.
func fileText() *rapid.Generator[string] {
	line := rapid.OneOf(
		rapid.SampledFrom([]string{"", "  ", "# a comment", "\t# 'open", "port 6379", "save \"\"", "user default on nopass", "sentinel", "\v"}),
		rapid.Custom(func(t *rapid.T) string {
			args := rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "args")
			return strings.TrimSpace("Directive-" + rapid.StringMatching(`[a-z]{1,4}`).Draw(t, "name") + " " + Join(args...))
		}),
	)
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for _, l := range rapid.SliceOf(line).Draw(t, "lines") {
			b.WriteString(l + rapid.SampledFrom([]string{"\n", "\r\n", " \n"}).Draw(t, "end"))
		}
		return b.String() + line.Draw(t, "last line, without an end")
	})
}

func TestRoundTripIsByteExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := fileText().Draw(t, "file")
		f, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(text, string(f.Bytes())); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "\n", "port 1", "sentinel monitor a b 1 2\r\n", "x \"\\x41\" 'b'", "# c\n\n", "sentinel known-slave m h 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		if string(file.Bytes()) != string(data) {
			t.Errorf("%q comes back as %q", data, file.Bytes())
		}
		if _, err := ReadSentinelState(file); err != nil {
			return
		}
		merged, changed := Merge(file, file, func(string) bool { return true })
		if len(changed) > 0 && !file.Empty() {
			t.Errorf("a merge with itself changes %v", changed)
		}
		if string(merged.Bytes()) != string(data) {
			t.Errorf("a merge of %q with itself gives %q", data, merged.Bytes())
		}
	})
}

// FuzzMerge: whatever the engine wrote and whatever is rendered, what redfleet
// owns is as rendered, what it does not own stays, and a second merge changes
// nothing (hazard S3, promise sentinel-state-kept).
func FuzzMerge(f *testing.F) {
	for _, seed := range [][2]string{
		{"port 1\nmaxmemory 5\nreplicaof h 1\n", "port 2\n"},
		{"sentinel monitor m h 1 2\nsentinel known-replica m h 2\nsentinel myid a\nport 1", "port 2\nsentinel down-after-milliseconds m 5\n"},
		{"user default on #a #b\nrequirepass x", "requirepass y"}, {"", "port 1"}, {"save 1 1\nsave 2 2", "save 3 3"},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	owned := func(name string) bool { return name == "port" || name == "save" }
	f.Fuzz(func(t *testing.T, disk, render []byte) {
		onDisk, err := Parse(disk)
		if err != nil {
			return
		}
		rendered, err := Parse(render)
		if err != nil {
			return
		}
		merged, _ := Merge(onDisk, rendered, owned)
		for _, name := range []string{"dir", "maxmemory", "sentinel known-replica", "sentinel myid"} {
			if len(onDisk.Get(name)) > 0 && len(rendered.Get(name)) == 0 && !cmp.Equal(merged.Get(name), onDisk.Get(name)) {
				t.Errorf("%s was %q and is %q", name, onDisk.Get(name), merged.Get(name))
			}
		}
		again, err := Parse(merged.Bytes())
		if err != nil {
			t.Fatalf("%q and %q give %q, which cannot be read: %v", disk, render, merged.Bytes(), err)
		}
		if again.Empty() {
			return // nothing is left that the engine wrote: the next merge is a first one
		}
		if twice, changed := Merge(again, rendered, owned); string(twice.Bytes()) != string(merged.Bytes()) {
			t.Errorf("merged twice: %q, then %q (%v)", merged.Bytes(), twice.Bytes(), changed)
		}
	})
}
