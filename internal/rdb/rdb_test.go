package rdb

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

const replID = "0123456789abcdef0123456789abcdef01234567"

// field writes an aux field with two plain strings.
func field(name, value string) string {
	return "\xfa" + string(rune(len(name))) + name + string(rune(len(value))) + value
}

// end is the end mark and a checksum of zeros, which stands for "none".
const end = "\xff\x00\x00\x00\x00\x00\x00\x00\x00"

// key is one database with one key.
const key = "\xfe\x00\xfb\x01\x00\x00\x01k\x01v"

func TestReadHead(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, text string
		want       Aux
		corrupt    bool
	}{
		{
			name: "Redis, all fields",
			text: "REDIS0011" + field("redis-ver", "7.2.4") + field("repl-id", replID) + field("repl-offset", "4711") +
				field("future", "x") + key + end,
			want: Aux{Version: 11, Server: "7.2.4", ReplID: replID, Offset: 4711},
		},
		{
			name: "Valkey 9's own format",
			text: "VALKEY080" + field("valkey-ver", "9.0.0") + end,
			want: Aux{Version: 80, Server: "9.0.0", Valkey: true, Empty: true},
		},
		{
			name: "integers of 1, 2 and 4 bytes, lengths of 14, 32 and 64 bits",
			text: "REDIS0010" + "\xfa\x40\x05ctime\xc2\x00\xca\x9a\x3b" + "\xfa\x80\x00\x00\x00\x08used-mem\xc1\x00\x01" +
				"\xfa\x81\x00\x00\x00\x00\x00\x00\x00\x0brepl-offset\xc0\x07" + end,
			want: Aux{Version: 10, Created: time.Unix(1e9, 0), UsedMem: 256, Offset: 7, Empty: true},
		},
		{
			name: "a compressed string",
			text: "REDIS0010" + "\xfa\x07repl-id\xc3\x06\x28\x01ab\xe0\x1d\x01" + end,
			want: Aux{Version: 10, ReplID: strings.Repeat("ab", 20), Empty: true},
		},
		{
			name: "values that are none are left out",
			text: "REDIS0010" + field("repl-id", "short") + field("repl-offset", "-1") + field("ctime", "x") + key,
			want: Aux{Version: 10},
		},
		{name: "nothing", text: "", corrupt: true},
		{name: "something else", text: "*1\r\n$4\r\nPING\r\n", corrupt: true},
		{name: "no version", text: "REDISabcd" + end, corrupt: true},
		{name: "cut in the magic", text: "REDIS00", corrupt: true},
		{name: "cut behind the magic", text: "REDIS0010", corrupt: true},
		{name: "cut in a name", text: "REDIS0010\xfa\x09redis", corrupt: true},
		{name: "cut in a value", text: "REDIS0010\xfa\x01a\x05b", corrupt: true},
		{name: "a field of 4 GB", text: "REDIS0010\xfa\x80\xff\xff\xff\xff", corrupt: true},
		{name: "an unknown length", text: "REDIS0010\xfa\xbf", corrupt: true},
		{name: "an unknown encoding", text: "REDIS0010\xfa\xc9", corrupt: true},
		{name: "a compressed string that points before its start", text: "REDIS0010\xfa\xc3\x02\x05\x20\x09" + end, corrupt: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := readHead(bufio.NewReader(strings.NewReader(c.text)))
			if c.corrupt != errors.Is(err, ErrCorrupt) || !c.corrupt && err != nil {
				t.Fatalf("error %v, want corrupt: %v", err, c.corrupt)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDatasetOfFiles(t *testing.T) {
	t.Parallel()
	const manifest = "appendonlydir/appendonly.aof.manifest"
	const base, incr = "appendonlydir/appendonly.aof.1.base.rdb", "appendonlydir/appendonly.aof.1.incr.aof"
	const manifestText = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
	head := "REDIS0010" + field("repl-id", replID) + field("repl-offset", "42")
	old, now := time.Unix(1_700_000_000, 0), time.Unix(1_700_000_100, 0)
	type file struct {
		name, text string
		at         time.Time
	}
	cases := []struct {
		name  string
		files []file
		want  fleet.Dataset
		only  bool // OnlyRDB
	}{
		{name: "an empty folder"},
		{name: "an RDB file without a key", files: []file{{"dump.rdb", head + end, old}}},
		{
			name: "an RDB file with a key", files: []file{{"dump.rdb", head + key + end, old}},
			want: fleet.Dataset{Present: true, ReplID: replID, Offset: 42, Newest: old}, only: true,
		},
		{
			name: "an RDB file cut short", files: []file{{"dump.rdb", head + key, old}},
			want: fleet.Dataset{Present: true, Newest: old}, only: true,
		},
		{
			name: "an RDB file of nothing", files: []file{{"dump.rdb", "", old}},
			want: fleet.Dataset{Present: true, Newest: old}, only: true,
		},
		{
			name: "an RDB file of zeros", files: []file{{"dump.rdb", strings.Repeat("\x00", 99), old}},
			want: fleet.Dataset{Present: true, Newest: old}, only: true,
		},
		{
			name: "an AOF that never took a write", files: []file{{manifest, manifestText, now}, {base, head + end, now}, {incr, "", now}},
		},
		{
			name: "an AOF with writes only", files: []file{{manifest, manifestText, now}, {base, head + end, old}, {incr, "*1\r\n", now}},
			want: fleet.Dataset{Present: true, Newest: now},
		},
		{
			name:  "an AOF newer than the RDB file: its lineage, an unknown offset",
			files: []file{{"dump.rdb", head + key + end, old}, {manifest, manifestText, now}, {base, head + end, old}, {incr, "*1\r\n", now}},
			want:  fleet.Dataset{Present: true, ReplID: replID, Newest: now},
		},
		{
			name:  "an RDB file of the shutdown, newer than the AOF",
			files: []file{{"dump.rdb", head + key + end, now}, {manifest, manifestText, old}, {base, head + key + end, old}, {incr, "*1\r\n", old}},
			want:  fleet.Dataset{Present: true, ReplID: replID, Offset: 42, Newest: now},
		},
		{
			name: "an AOF file that the manifest names is gone", files: []file{{manifest, manifestText, now}, {base, head + end, now}},
			want: fleet.Dataset{Present: true},
		},
		{
			name: "a manifest that makes no sense", files: []file{{manifest, "\x00\x00", now}, {base, head + end, now}},
			want: fleet.Dataset{Present: true},
		},
		{
			name: "an AOF without its manifest", files: []file{{base, head + key + end, now}},
			want: fleet.Dataset{Present: true, Newest: now},
		},
		{
			name: "history that the manifest only waits to delete", files: []file{
				{manifest, strings.Replace(manifestText, "type i", "type h", 1), now}, {base, head + end, now}, {incr, "*1\r\n", now},
			},
		},
		{
			name: "the single AOF of Redis 6.2", files: []file{{"appendonly.aof", "*2\r\n", old}},
			want: fleet.Dataset{Present: true, Newest: old},
		},
		{name: "an empty single AOF", files: []file{{"appendonly.aof", "", old}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range c.files {
				path := filepath.Join(dir, f.name)
				must(t, os.MkdirAll(filepath.Dir(path), 0o700))
				must(t, os.WriteFile(path, []byte(f.text), 0o600))
				must(t, os.Chtimes(path, f.at, f.at))
			}
			got, err := Dataset(dir)
			must(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			files, err := Inspect(dir, DefaultNames())
			must(t, err)
			if files.OnlyRDB() != c.only {
				t.Errorf("OnlyRDB is %v", files.OnlyRDB())
			}
		})
	}
}

func TestAFolderThatCannotBeReadCountsAsData(t *testing.T) {
	t.Parallel()
	if d, err := Dataset(filepath.Join(t.TempDir(), "gone")); err != nil || d.Present {
		t.Errorf("no folder: %+v, %v", d, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	d, err := Dataset(file)
	if err == nil || !d.Present {
		t.Errorf("a file for a folder: %+v, %v; want data and an error", d, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzReadAux(f *testing.F) {
	f.Add([]byte("REDIS0011" + field("repl-id", replID) + field("repl-offset", "42") + key + end))
	f.Add([]byte("VALKEY080" + "\xfa\x07repl-id\xc3\x06\x28\x01ab\xe0\x1d\x01" + end))
	f.Add([]byte("REDIS0010\xfa\x81\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := readHead(bufio.NewReader(bytes.NewReader(data)))
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("an error that is no damage: %v", err)
		}
		if a.ReplID != "" && len(a.ReplID) != 40 || a.Offset < 0 {
			t.Errorf("%+v", a)
		}
	})
}
