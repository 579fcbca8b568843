package templates

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

var update = flag.Bool("update", false, "write the goldens anew")

func redisData(edit func(*RedisData)) RedisData {
	d := RedisData{
		Node: Node{
			Bind: []string{"10.0.0.1", "::1"}, Dir: "/var/lib/redfleet/redis-shop-6379", Password: "sesame",
			PidFile: "/run/redfleet/redis-shop-6379.pid", Version: semver.MustParse("7.0.15"),
		},
		Group: "shop", GroupID: "8d0f", Engine: fleet.EngineRedis, Topology: fleet.Sentinel,
		Addr: fleet.Addr{Host: "10.0.0.1", Port: 6379}, MasterAuth: "sesame", ReplicaPriority: DefaultReplicaPriority,
	}
	if edit != nil {
		edit(&d)
	}
	return d
}

func sentinelData(edit func(*SentinelData)) SentinelData {
	d := SentinelData{
		Node: redisData(nil).Node, Group: "shop", GroupID: "8d0f", Engine: fleet.EngineRedis,
		MyID: strings.Repeat("a", 40), Addr: fleet.Addr{Host: "10.0.0.1", Port: 26379},
		Monitor: fleet.Monitor{
			MasterName: "shop", Quorum: 2, DownAfter: seconds(5), FailoverTimeout: seconds(60), ParallelSyncs: 1,
			Announce: fleet.AnnounceAddress,
		},
		Master: fleet.Addr{Host: "10.0.0.1", Port: 6379}, AuthPass: "sesame", SentinelPass: "sesame",
	}
	if edit != nil {
		edit(&d)
	}
	return d
}

func builtIn(t *testing.T) *Set {
	t.Helper()
	set, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	set := builtIn(t)
	redis := func(edit func(*RedisData)) func() ([]byte, error) {
		return func() ([]byte, error) { return set.Redis(redisData(edit)) }
	}
	sentinel := func(edit func(*SentinelData)) func() ([]byte, error) {
		return func() ([]byte, error) { return set.Sentinel(sentinelData(edit)) }
	}
	cases := []struct {
		name   string
		render func() ([]byte, error)
	}{
		{"redis-master", redis(nil)},
		{"redis-replica", redis(func(d *RedisData) {
			d.ReplicaOf = &fleet.Addr{Host: "10.0.0.2", Port: 6379}
			d.ReplicaPriority = 0
			d.Topology = fleet.Replication
			d.LogFile = "/var/log/redfleet/redis-shop-6379.log"
		})},
		{"redis-spec", redis(func(d *RedisData) {
			d.Password, d.MasterAuth = "a \"b\\", "a \"b\\"
			d.Config = fleet.Directives{
				"maxmemory": {"512mb"}, "appendonly": {"no"}, "Save": {"3600 1", "300 100"}, "repl-diskless-sync-delay": {"5"},
				"proc-title-template": {`"{title} {listen-addr}"`}, "min-slaves-to-write": {"1"},
			}
		})},
		{"redis-load-rdb", redis(func(d *RedisData) { d.LoadRDB = true; d.Config = fleet.Directives{"appendonly": {"yes"}} })},
		{"redis-6.2", redis(func(d *RedisData) { d.Version = semver.MustParse("6.2.14") })},
		{"redis-unknown-version", redis(func(d *RedisData) { d.Version = nil })},
		{"redis-valkey-9", redis(func(d *RedisData) { d.Engine, d.Version = fleet.EngineValkey, semver.MustParse("9.0.0") })},
		{"sentinel", sentinel(func(d *SentinelData) {
			d.KnownReplicas = []fleet.Addr{{Host: "10.0.0.2", Port: 6379}, {Host: "10.0.0.3", Port: 6379}}
			d.KnownSentinels = []fleet.Member{
				{Node: "n2", Addr: fleet.Addr{Host: "10.0.0.2", Port: 26379}, ID: strings.Repeat("b", 40)},
				{Node: "n3", Addr: fleet.Addr{Host: "10.0.0.3", Port: 26379}, ID: strings.Repeat("c", 40)},
			}
		})},
		{"sentinel-hostnames", sentinel(func(d *SentinelData) {
			d.Addr.Host, d.Master.Host, d.Monitor.Announce = "n1.example.net", "n1.example.net", fleet.AnnounceHostname
		})},
		{"sentinel-6.2", sentinel(func(d *SentinelData) { d.Version = semver.MustParse("6.2.14") })},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.render()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", c.name+".conf")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("not as in %s; see -update: %s", path, diff)
			}
		})
	}
}

func TestRenderRefusesData(t *testing.T) {
	t.Parallel()
	set := builtIn(t)
	redis := map[string]struct {
		edit func(*RedisData)
		says string
	}{
		"no password":            {func(d *RedisData) { d.Password = "" }, "S9"},
		"no masterauth":          {func(d *RedisData) { d.MasterAuth = "" }, "masterauth"},
		"nothing to bind to":     {func(d *RedisData) { d.Bind = nil }, "listens on all"},
		"no address to announce": {func(d *RedisData) { d.Addr.Host = "" }, "S11"},
		"a folder that is none":  {func(d *RedisData) { d.Dir = "data" }, "absolute"},
		"an unknown topology":    {func(d *RedisData) { d.Topology = "ring" }, "ring"},
		"an owned directive":     {func(d *RedisData) { d.Config = fleet.Directives{"requirepass": {"x"}} }, "redfleet sets requirepass itself"},
		"an owned one, old name": {func(d *RedisData) { d.Config = fleet.Directives{"SLAVEOF": {"h 1"}} }, "SLAVEOF itself"},
		"a line in a name":       {func(d *RedisData) { d.Config = fleet.Directives{"maxmemory 1\nuser": {"x"}} }, "no name of a directive"},
		"open quotes in a value": {func(d *RedisData) { d.Config = fleet.Directives{"maxmemory": {`"1`}} }, "unbalanced"},
		"a directive, no value":  {func(d *RedisData) { d.Config = fleet.Directives{"maxmemory": nil} }, "no value"},
		"one directive twice": {func(d *RedisData) {
			d.Config = fleet.Directives{"min-slaves-to-write": {"1"}, "min-replicas-to-write": {"2"}}
		}, "one directive"},
		"a line end in the group": {func(d *RedisData) { d.Group = "shop\nuser x" }, "redfleet owns"},
	}
	for name, c := range redis {
		t.Run("redis/"+name, func(t *testing.T) {
			_, err := set.Redis(redisData(c.edit))
			refused(t, err, c.says)
		})
	}
	sentinel := map[string]struct {
		edit func(*SentinelData)
		says string
	}{
		"no id":                      {func(d *SentinelData) { d.MyID = "" }, "40 hex"},
		"a cloned id":                {func(d *SentinelData) { d.KnownSentinels = []fleet.Member{{ID: d.MyID}} }, "S4"},
		"no auth-pass":               {func(d *SentinelData) { d.AuthPass = "" }, "S10"},
		"a space in the password":    {func(d *SentinelData) { d.AuthPass = "sesame open" }, "without quotes"},
		"a quote in the master name": {func(d *SentinelData) { d.Monitor.MasterName = "it's" }, "without quotes"},
		"no master":                  {func(d *SentinelData) { d.Master = fleet.Addr{} }, "no master"},
		"no quorum":                  {func(d *SentinelData) { d.Monitor.Quorum = 0 }, "quorum"},
		"no down-after":              {func(d *SentinelData) { d.Monitor.DownAfter = 0 }, "down-after"},
	}
	for name, c := range sentinel {
		t.Run("sentinel/"+name, func(t *testing.T) {
			_, err := set.Sentinel(sentinelData(c.edit))
			refused(t, err, c.says)
		})
	}
}

// A value can never begin a line of its own.
func TestSettingsStayOnTheirLine(t *testing.T) {
	t.Parallel()
	text, err := builtIn(t).Redis(redisData(func(d *RedisData) {
		d.Config = fleet.Directives{"proc-title-template": {"\"x\\nuser evil on nopass\""}, "syslog-ident": {"a\nrequirepass x"}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "user") || strings.HasPrefix(line, "requirepass x") {
			t.Errorf("a setting began the line %q", line)
		}
	}
}

// refused wants an error that says why, and no password in it.
func refused(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, want one that says %q", err, says)
	}
	if err != nil && strings.Contains(err.Error(), "sesame") {
		t.Errorf("the error holds the password: %v", err)
	}
}

func TestDataPrintsNoPassword(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := sprint(format, redisData(nil), sentinelData(nil)); strings.Contains(text, "sesame") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}
