package distro

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

func parsed(t *testing.T, text string) []redisconf.Directive {
	t.Helper()
	f, err := redisconf.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f.Directives()
}

// TestOwnSettings: a spec gets what a server has of its own: neither the engine's
// defaults, nor redfleet's, nor what redfleet sets itself; and always whether and how
// it persists.
func TestOwnSettings(t *testing.T) {
	defaults := map[string]string{"maxmemory": "0", "timeout": "0", "tcp-keepalive": "300", "repl-backlog-size": "1048576", "port": "6379"}
	seeds := map[string]string{"tcp-keepalive": "60", "repl-backlog-size": "64mb", "appendonly": "yes", "appendfsync": "everysec"}
	live := map[string]string{"maxmemory": "104857600", "timeout": "0", "tcp-keepalive": "300", "repl-backlog-size": "67108864", "port": "7000",
		"requirepass": "geheim", "appendonly": "yes", "appendfsync": "everysec", "save": "3600 1 300 100"}
	got := ownSettings(parsed(t, "port 7000\nmaxmemory 100mb\ntimeout 0\nrequirepass geheim\nrepl-backlog-size 64mb\n"), live, defaults, seeds)
	want := fleet.Directives{"maxmemory": {"104857600"}, "tcp-keepalive": {"300"}, "appendonly": {"yes"}, "save": {"3600 1", "300 100"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestRefusedSettings: each thing that redfleet could not carry over has its reason.
func TestRefusedSettings(t *testing.T) {
	for line, want := range map[string]string{
		"aclfile /etc/redis/users.acl": "aclfile is set", "masteruser x": "masteruser is set", "user alice on >x ~* +@all": "ACL users",
		"user default on #aa #bb ~* +@all": "several passwords", "rename-command CONFIG \"\"": "commands are renamed",
		"loadmodule /x.so": "loads a module", "unixsocket /run/redis.sock": "over its socket", "cluster-enabled yes": "Redis Cluster",
		"tls-port 6380": "TLS", "dbfilename mine.rdb": "names of their own",
		"sentinel notification-script mymaster /x.sh": "runs no scripts", "sentinel resolve-hostnames yes": "host names", "sentinel auth-user mymaster x": "ACL",
		// What every hand-built file may have.
		"user default on #aa ~* &* +@all": "", "cluster-enabled no": "", "tls-port 0": "", "sentinel resolve-hostnames no": "", "maxmemory 1gb": "",
	} {
		set, err := settle(parsed(t, line), false)
		if err != nil {
			t.Fatal(err)
		}
		set.lines = parsed(t, line)
		got := strings.Join(refusedLines(set, fleet.KindRedis), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	good := map[string]string{"requirepass": "x", "port": "6379", "replica-read-only": "yes", "replica-announce-port": "0", "tls-port": "0"}
	if got := refusedLive(good, "192.0.2.1"); len(got) > 0 {
		t.Errorf("a usual server: %q", got)
	}
	for name, want := range map[string]string{"requirepass=": "asks for no password", "replica-announce-ip=198.51.100.1": "it announces 198.51.100.1",
		"replica-announce-port=1": "another port", "replica-read-only=no": "take writes", "aclfile=/x": "aclfile", "masteruser=x": "masteruser", "tls-port=1": "TLS", "port=": "port"} {
		live := map[string]string{}
		for k, v := range good {
			live[k] = v
		}
		k, v, _ := strings.Cut(name, "=")
		live[k] = v
		if got := refusedLive(live, "192.0.2.1"); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
