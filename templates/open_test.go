package templates

import (
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// TestOpenSentinels: sentinels of a group that was adopted without a password ask for
// none, show each other none, and still show the servers theirs.
func TestOpenSentinels(t *testing.T) {
	set, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	data := SentinelData{Node: Node{Bind: []string{"192.0.2.1"}, Dir: "/x", Password: "geheim"}, Group: "main", MyID: strings.Repeat("a", 40),
		Addr: fleet.Addr{Host: "192.0.2.1", Port: 26379}, Master: fleet.Addr{Host: "192.0.2.1", Port: 6379}, AuthPass: "geheim", SentinelPass: "geheim",
		Monitor: fleet.Monitor{MasterName: "mymaster", Quorum: 2, DownAfter: fleet.DefaultDownAfter, FailoverTimeout: fleet.DefaultFailoverTimeout, ParallelSyncs: 1, Open: true}}
	for _, open := range []bool{true, false} {
		data.Monitor.Open = open
		text, err := set.Sentinel(data)
		if err != nil {
			t.Fatal(err)
		}
		f, err := redisconf.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		mode := f.Get("protected-mode")[0][0]
		if asks := len(f.Get("requirepass"))+len(f.Get("sentinel sentinel-pass")) > 0; asks == open || (mode == "no") != open || len(f.Get("sentinel auth-pass")) != 1 {
			t.Errorf("open %v: asks %v, protected-mode %s", open, asks, mode)
		}
	}
}
