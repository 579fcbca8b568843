package redisconf

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

func TestReadSentinelState(t *testing.T) {
	t.Parallel()
	id := func(c string) string { return strings.Repeat(c, 40) }
	cases := []struct {
		name, text string
		want       SentinelState
	}{
		{name: "nothing written yet", text: "port 26379\n"},
		{
			name: "as Redis 6.2 and later write it, state before the monitor line",
			text: "sentinel myid " + id("a") + "\nsentinel known-replica m 10.0.0.2 6379\nsentinel monitor m 10.0.0.1 6379 2\n" +
				"sentinel config-epoch m 3\nsentinel leader-epoch m 4\nsentinel current-epoch 5\n" +
				"sentinel known-sentinel m n2 26379 " + id("b") + "\nsentinel resolve-hostnames yes\n",
			want: SentinelState{MyID: id("a"), CurrentEpoch: 5, Masters: []MonitoredMaster{{
				Name: "m", Addr: fleet.Addr{Host: "10.0.0.1", Port: 6379}, Quorum: 2, ConfigEpoch: 3, LeaderEpoch: 4,
				KnownReplicas:  []fleet.Addr{{Host: "10.0.0.2", Port: 6379}},
				KnownSentinels: []KnownSentinel{{Addr: fleet.Addr{Host: "n2", Port: 26379}, ID: id("b")}},
			}}},
		},
		{
			name: "old words, two masters, IPv6",
			text: "SENTINEL Monitor a ::1 1 1\nsentinel monitor b h 2 1\nsentinel known-slave b fe80::1 3\nsentinel known-sentinel b h 4\n",
			want: SentinelState{Masters: []MonitoredMaster{
				{Name: "a", Addr: fleet.Addr{Host: "::1", Port: 1}, Quorum: 1},
				{
					Name: "b", Addr: fleet.Addr{Host: "h", Port: 2}, Quorum: 1,
					KnownReplicas:  []fleet.Addr{{Host: "fe80::1", Port: 3}},
					KnownSentinels: []KnownSentinel{{Addr: fleet.Addr{Host: "h", Port: 4}}},
				},
			}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := ReadSentinelState(parse(t, c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadSentinelStateRefuses(t *testing.T) {
	t.Parallel()
	const monitor = "sentinel monitor m h 1 2\n"
	for name, c := range map[string]struct{ text, says string }{
		"two monitor lines":      {monitor + monitor, "twice"},
		"too few arguments":      {"sentinel monitor m h 1\n", "3 arguments"},
		"no port":                {"sentinel monitor m h x 2\n", "no address"},
		"quorum 0":               {"sentinel monitor m h 1 0\n", "quorum"},
		"short myid":             {"sentinel myid abc\n", "40 characters"},
		"state of nobody":        {"sentinel known-replica m h 1\n", "not monitored"},
		"epoch without a number": {monitor + "sentinel config-epoch m x\n", "no number"},
		"epoch without a value":  {"sentinel current-epoch\n", "one epoch"},
		"no master named":        {monitor + "sentinel known-sentinel\n", "no master"},
		"replica without a port": {monitor + "sentinel known-replica m h\n", "host and a port"},
		"replica's port too big": {monitor + "sentinel known-replica m h 70000\n", "no address"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadSentinelState(parse(t, c.text))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}
