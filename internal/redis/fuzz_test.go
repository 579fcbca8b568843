package redis

import (
	"strconv"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// FuzzInfo: whatever INFO says is read to an end, and never into a role or a
// number that there is not.
func FuzzInfo(f *testing.F) {
	for _, seed := range []string{
		"# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nuptime_in_seconds:12\r\n",
		"role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:up\r\nslave_repl_offset:5\r\nmaster_replid:a\r\n",
		"role:master\r\nconnected_slaves:1\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=5,lag=0\r\nmin_slaves_good_slaves:1\r\n",
		"db0:keys=3,expires=0,avg_ttl=0\r\ndb1:keys=99999999999999999999\r\nslave1:ip=,port=-1", ":::\n:", "loading:1\raof_enabled:1",
		"sentinel_masters:1\r\nsentinel_tilt:1\r\nmaster0:name=main,status=ok,address=10.0.0.1:6379,slaves=2,sentinels=3\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, info string) {
		in := Info{GoodReplicas: notCounted}
		lines(info, in.take)
		in.settle()
		switch in.Role {
		case "", fleet.RoleMaster, fleet.RoleReplica:
		default:
			t.Errorf("role %q", in.Role)
		}
		if in.Uptime < 0 || in.Keys < 0 {
			t.Errorf("up for %v, %d keys", in.Uptime, in.Keys)
		}
		var v View
		lines(info, v.take)
		if v.Uptime < 0 {
			t.Errorf("up for %v", v.Uptime)
		}
	})
}

// FuzzSentinelEntry: an entry of SENTINEL MASTER, REPLICAS or SENTINELS, with
// fields that are missing, cut or of another kind, never looks better than it is.
func FuzzSentinelEntry(f *testing.F) {
	for _, seed := range []string{
		"name\nmain\nip\n10.0.0.1\nport\n6379\nflags\nmaster\nlast-ok-ping-reply\n12\nnum-slaves\n2\nquorum\n2\nconfig-epoch\n7",
		"ip\n10.0.0.2\nport\n6379\nflags\nslave\nslave-priority\n100\nmaster-link-status\nok\nmaster-host\n10.0.0.1\nmaster-port\n6379\nslave-repl-offset\n9\ninfo-refresh\n10",
		"flags\nslave,s_down,disconnected\nmaster-link-down-time\n99999999999999999999", "ip", "", "port\n-1\nflags\n,,", "last-ok-ping-reply\n-5",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, flat string) {
		var pairs []any
		for _, word := range strings.Split(flat, "\n") {
			if n, err := strconv.ParseInt(word, 10, 64); err == nil && n%2 == 1 {
				pairs = append(pairs, n)
				continue
			}
			pairs = append(pairs, word)
		}
		i := parseInstance(pairs)
		parseInstances([]any{pairs, flat, nil, int64(1)})
		parseAddr(pairs)
		seen, _ := see(&i)
		if promotable := i.Promotable(&Instance{}); promotable && (i.Down() || i.Has("disconnected") || i.Priority == 0) {
			t.Errorf("promotable: %+v", i)
		}
		if seen.Addr != i.Addr {
			t.Errorf("%+v is seen as %+v", i, seen)
		}
	})
}
