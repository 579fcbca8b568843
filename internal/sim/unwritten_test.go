package sim

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/safefile"
)

// TestFlushUnwritten: the simulation's operator takes data away only in the group that
// has no clients, where status names the node and the reason, once, after a loss of power
// and not at once; never from any other folder.
func TestFlushUnwritten(t *testing.T) {
	const why = "redis-more-6380 on b is held (its master would be 10.0.0.1:6380, which is empty and of another lineage, while this node holds data; it will not be wiped: save this node's data folder or flush it by name, then start it again)"
	const says = "group more is degraded: a serves, but " + why
	for name, tc := range map[string]struct {
		says    string
		kind    Kind
		after   time.Duration
		flushed bool
	}{
		"status says so":       {says, PowerOff, time.Minute, true},
		"all lost power":       {says, PowerOffAll, time.Minute, true},
		"nobody lost power":    {says, KillRedis, time.Minute, false},
		"too soon":             {says, PowerOff, unwrittenFor - 5*time.Second, false},
		"the group of clients": {"group main is degraded: a serves, but " + why, PowerOff, time.Minute, false},
		"held for another reason": {"group more is degraded: a serves, but redis-more-6380 on b is held (the sentinel on a is failing over)",
			PowerOff, time.Minute, false},
		"it serves": {"", PowerOff, time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := court(t)
			w.dir = t.TempDir()
			w.schedule.Events = []Event{{Kind: tc.kind}}
			var there []string
			for _, n := range w.nodes {
				n.dir = filepath.Join(w.dir, n.name)
				for _, id := range []fleet.InstanceID{"redis-main-6379", "redis-more-6380"} {
					file := filepath.Join(n.folder(id), "dump.rdb")
					if err := os.MkdirAll(n.folder(id), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := safefile.Write(file, []byte("data"), 0o644); err != nil {
						t.Fatal(err)
					}
					there = append(there, file)
				}
			}
			w.began = time.Now().Add(-w.schedule.end() - tc.after) // after the syncs of the files, which take their time
			w.flushUnwritten(tc.says)
			for _, file := range there {
				_, err := os.Stat(file)
				if wanted := !tc.flushed || file != filepath.Join(w.nodes[1].folder("redis-more-6380"), "dump.rdb"); (err == nil) != wanted {
					t.Errorf("%s is there: %t, want %t", file, err == nil, wanted)
				}
			}
			if tc.flushed {
				file := filepath.Join(w.nodes[1].folder("redis-more-6380"), "dump.rdb")
				if err := safefile.Write(file, []byte("data"), 0o644); err != nil {
					t.Fatal(err)
				}
				w.flushUnwritten(tc.says)
				if _, err := os.Stat(file); err != nil {
					t.Error("it was flushed twice")
				}
			}
		})
	}
}
