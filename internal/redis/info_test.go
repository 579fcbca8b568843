package redis

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestParseInfo covers replies of engines that are not installed where the
// tests run; the fields are those of their INFO.
func TestParseInfo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, reply string
		want        Info
	}{
		{
			name: "Valkey gives its own version",
			reply: "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\n" +
				"valkey_release_stage:ga\r\nrun_id:abc\r\nuptime_in_seconds:12\r\n",
			want: Info{Engine: "valkey", Version: "8.1.1", RunID: "abc", Uptime: 12 * time.Second},
		},
		{
			name: "a master with replicas in every state",
			reply: "redis_version:6.2.14\r\n# Replication\r\nrole:master\r\nconnected_slaves:2\r\n" +
				"slave0:ip=10.0.0.2,port=6379,state=online,offset=90,lag=0\r\n" +
				"slave1:ip=fd00::3,port=6380,state=wait_bgsave,offset=0,lag=0\r\n" +
				"slave_expires_tracked_keys:3\r\nmaster_replid:r1\r\nmaster_replid2:r2\r\nmaster_repl_offset:100\r\n",
			want: Info{
				Engine: "redis", Version: "6.2.14", Role: fleet.RoleMaster, ReplID: "r1", ReplID2: "r2", Offset: 100,
				Replicas: []Replica{
					{Addr: fleet.Addr{Host: "10.0.0.2", Port: 6379}, State: "online", Offset: 90, LagBytes: 10},
					{Addr: fleet.Addr{Host: "fd00::3", Port: 6380}, State: "wait_bgsave", LagBytes: 100},
				},
			},
		},
		{
			name: "a replica with sub-replicas counts its own offset",
			reply: "role:slave\nmaster_host:n1.example\nmaster_port:6379\nmaster_link_status:down\n" +
				"master_sync_in_progress:1\nslave_repl_offset:70\nmaster_link_down_since_seconds:5\nmaster_repl_offset:60\n",
			want: Info{
				Engine: "redis", Role: fleet.RoleReplica, Master: fleet.Addr{Host: "n1.example", Port: 6379},
				SyncInProgress: true, Offset: 70, LinkDownFor: 5 * time.Second,
			},
		},
		{
			name:  "keys of all databases",
			reply: "# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb11:keys=4,expires=0,avg_ttl=0,subexpiry=0\r\ndbx:keys=9\r\n",
			want:  Info{Engine: "redis", Keys: 7},
		},
		{
			name:  "broken lines do no harm",
			reply: ":\r\n\r\n:x\r\nrole\r\nslave0:\r\ndb0:keys=\r\nuptime_in_seconds:x",
			want:  Info{Engine: "redis", Replicas: []Replica{{}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got Info
			lines(c.reply, got.take)
			got.settle()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("info (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAsksFor(t *testing.T) {
	t.Parallel()
	const hash = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8" // of "password"
	acl := func(flags, passwords []any) []any {
		return []any{"flags", flags, "passwords", passwords, "commands", "+@all"}
	}
	for _, c := range []struct {
		name string
		acl  []any
		want bool
	}{
		{"this password", acl([]any{"on"}, []any{hash}), true},
		{"this one among two", acl([]any{"on"}, []any{"00", hash}), true},
		{"another one", acl([]any{"on"}, []any{"00" + hash[2:]}), false},
		{"none asked for", acl([]any{"on", "nopass"}, []any{}), false},
		{"the user is off", acl([]any{"off"}, []any{hash}), false},
		{"no reply", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := asksFor(c.acl, digestOf("password")); got != c.want {
				t.Errorf("asksFor: %v; want %v", got, c.want)
			}
		})
	}
}

func TestHelloPayload(t *testing.T) {
	t.Parallel()
	h := Hello{
		Addr: fleet.Addr{Host: "10.0.0.1", Port: 26379}, MyID: "id", CurrentEpoch: 3,
		MasterName: "main", Master: fleet.Addr{Host: "10.0.0.2", Port: 6379}, ConfigEpoch: 2,
	}
	if want := "10.0.0.1,26379,id,3,main,10.0.0.2,6379,2"; h.payload() != want {
		t.Errorf("payload %q; want %q", h.payload(), want)
	}
}
