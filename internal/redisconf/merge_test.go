package redisconf

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func ownedBy(names ...string) func(string) bool {
	return func(n string) bool { return slices.Contains(names, n) }
}

const hashOfA = "#ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

func TestMerge(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name           string
		disk, rendered string
		owned          []string
		want           string
		changed        []string
	}{
		{
			name: "no file yet: all is rendered",
			disk: "# empty\n", rendered: "port 1\nreplicaof h 1\n",
			want: "port 1\nreplicaof h 1\n", changed: []string{"port", "replicaof"},
		},
		{
			name: "the role that was written stays",
			disk: "port 1\nreplicaof n2 1\nuser default on #ab ~* +@all\n", rendered: "port 2\nreplicaof n1 1\n",
			owned: []string{"port"}, want: "port 2\nreplicaof n2 1\nuser default on #ab ~* +@all\n", changed: []string{"port"},
		},
		{
			name: "a promoted master gets no role back",
			disk: "port 1\n", rendered: "port 1\nreplicaof n1 1\n",
			owned: []string{"port"}, want: "port 1\n",
		},
		{
			name: "other words for the same are no change",
			disk: "maxmemory 536870912\nsave 3600 1\nsave 300 100\nappendonly yes\n", rendered: "maxmemory 512mb\nsave 3600 1 300 100\nappendonly YES\n",
			owned: []string{"maxmemory", "save", "appendonly"}, want: "maxmemory 536870912\nsave 3600 1\nsave 300 100\nappendonly yes\n",
		},
		{
			name: "a password is compared letter by letter",
			disk: "requirepass 1kb\n", rendered: "requirepass 1024\n",
			owned: []string{"requirepass"}, want: "requirepass 1024\n", changed: []string{"requirepass"},
		},
		{
			name: "a new password takes the engine's copy of the old one away",
			disk: "requirepass a\nuser default on " + hashOfA + " ~* &* +@all\nuser app on " + hashOfA + " ~* +@all\n", rendered: "requirepass b\n",
			owned: []string{"requirepass"}, want: "requirepass b\nuser app on " + hashOfA + " ~* +@all\n", changed: []string{"requirepass", "user"},
		},
		{
			name: "an ACL with two passwords stays",
			disk: "requirepass a\nuser default on " + hashOfA + " #00 ~* &* +@all\n", rendered: "requirepass b\n",
			owned: []string{"requirepass"}, want: "requirepass b\nuser default on " + hashOfA + " #00 ~* &* +@all\n", changed: []string{"requirepass"},
		},
		{
			name: "an owned directive that is no longer rendered goes",
			disk: "port 1\naclfile /x\n", rendered: "port 1\n",
			owned: []string{"port", "aclfile"}, want: "port 1\n", changed: []string{"aclfile"},
		},
		{
			name: "an old name is the same directive",
			disk: "slave-announce-ip a\n", rendered: "replica-announce-ip a\n",
			owned: []string{"replica-announce-ip"}, want: "slave-announce-ip a\n",
		},
		{
			name: "monitor: Sentinel's address, the rendered quorum",
			disk: "sentinel monitor m n2 6379 2\n", rendered: "sentinel monitor m n1 6379 3\n",
			owned: []string{"sentinel monitor"}, want: "sentinel monitor m n2 6379 3\n", changed: []string{"sentinel monitor"},
		},
		{
			name: "seeds never come back, defaults that Sentinel leaves out are no change",
			disk: "sentinel myid x\nsentinel monitor m n1 1 2\n",
			rendered: "sentinel myid y\nsentinel monitor m n1 1 2\nsentinel parallel-syncs m 1\nsentinel failover-timeout m 180000\n" +
				"sentinel known-replica m n9 1\n",
			owned: []string{"sentinel monitor", "sentinel parallel-syncs", "sentinel failover-timeout"},
			want:  "sentinel myid x\nsentinel monitor m n1 1 2\n",
		},
		{
			name: "a lost myid is put back",
			disk: "sentinel monitor m n1 1 2\n", rendered: "sentinel myid y\nsentinel monitor m n1 1 2\n",
			owned: []string{"sentinel monitor"}, want: "sentinel monitor m n1 1 2\nsentinel myid y\n", changed: []string{"sentinel myid"},
		},
		{
			name: "a foreign master stays, a new one comes whole",
			disk: "sentinel monitor other n5 1 2\nsentinel auth-pass other p\n", rendered: "sentinel monitor m n1 1 2\nsentinel auth-pass m q\nsentinel known-replica m n2 1\n",
			owned:   []string{"sentinel monitor", "sentinel auth-pass"},
			want:    "sentinel monitor other n5 1 2\nsentinel auth-pass other p\nsentinel monitor m n1 1 2\nsentinel auth-pass m q\nsentinel known-replica m n2 1\n",
			changed: []string{"sentinel monitor", "sentinel auth-pass", "sentinel known-replica"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			disk, rendered := parse(t, c.disk), parse(t, c.rendered)
			merged, changed := Merge(disk, rendered, ownedBy(c.owned...))
			if diff := cmp.Diff(c.want, string(merged.Bytes())); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.changed, changed); diff != "" {
				t.Error("changed:", diff)
			}
			if string(disk.Bytes()) != c.disk || string(rendered.Bytes()) != c.rendered {
				t.Error("an argument was changed")
			}
			again, changed := Merge(merged, rendered, ownedBy(c.owned...))
			if string(again.Bytes()) != string(merged.Bytes()) || len(changed) != 0 && !disk.Empty() {
				t.Errorf("a second merge changes %v", changed)
			}
		})
	}
}

// Whatever is on disk and not owned is there after a merge, in the same order.
func TestMergeKeepsWhatIsNotOwned(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		disk, err := Parse([]byte(fileText().Draw(t, "on disk")))
		if err != nil {
			t.Fatal(err)
		}
		rendered, err := Parse([]byte(fileText().Draw(t, "rendered")))
		if err != nil {
			t.Fatal(err)
		}
		first := rapid.SampledFrom([]byte("abmz")).Draw(t, "owned up to")
		owned := func(name string) bool { return len(name) > 10 && name[10] <= first }
		if disk.Empty() {
			return
		}
		merged, _ := Merge(disk, rendered, owned)
		for _, name := range disk.Names() {
			if !owned(name) && !cmp.Equal(disk.Get(name), merged.Get(name)) {
				t.Fatalf("%q is not as on disk", name)
			}
		}
	})
}
