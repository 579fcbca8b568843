package observe

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestMarkOfRedisConf: whatever can keep a server from rewriting its redis.conf
// changes the mark, so that it is tried at once (hazard S15).
func TestMarkOfRedisConf(t *testing.T) {
	t.Parallel()
	o := &Observer{DataDir: t.TempDir()}
	const id = fleet.InstanceID("redis-main-6379")
	dir := apply.Dir(o.DataDir, id)
	conf := filepath.Join(dir, "redis.conf")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(dir, 0o700))
	must(os.WriteFile(conf, []byte("port 1\n"), 0o600))
	last := o.mark(id)
	if o.mark(id) != last {
		t.Error("the mark changes by itself")
	}
	for _, change := range []struct {
		what string
		do   func() error
	}{
		{"the file's mode", func() error { return os.Chmod(conf, 0o400) }},
		{"the folder's mode", func() error { return os.Chmod(dir, 0o500) }},
		{"the folder's mode back", func() error { return os.Chmod(dir, 0o700) }},
		{"the file's size", func() error { return os.WriteFile(conf+".new", []byte("port 12\n"), 0o400) }},
		{"no file", func() error { return os.Remove(conf) }},
	} {
		must(change.do())
		if change.what == "the file's size" {
			must(os.Rename(conf+".new", conf))
		}
		now := o.mark(id)
		if now == last {
			t.Errorf("%s leaves the mark as it is", change.what)
		}
		last = now
	}
}
