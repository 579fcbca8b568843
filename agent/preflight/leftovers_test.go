package preflight

import (
	"fmt"
	"os"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// world holds fleet f1 with group main.
func world() *fleet.World {
	return &fleet.World{
		Control: &fleet.Control{FleetID: "f1"},
		Groups:  map[string]fleet.Group{"main": {Name: "main", ID: "g1"}},
		Reports: map[string]fleet.ReportRecord{},
	}
}

func TestFleetID(t *testing.T) {
	node := func(id string) map[string]string {
		return map[string]string{"/var/lib/redfleet/state/node.json": `{"agent": "a1", "fleet_id": "` + id + `"}`}
	}
	with := func(files map[string]string, path, content string) map[string]string {
		files[path] = content
		return files
	}
	runCases(t, "fleet-id", map[string]fileCase{
		"a new disk":       {world: world(), want: OK, seen: "nothing"},
		"its own":          {files: node("f1"), world: world(), want: OK},
		"another fleet's":  {files: node("f0"), world: world(), want: Error, seen: "fleet f0"},
		"no records":       {files: node("f1"), want: NotApplicable},
		"its own group":    {files: with(node("f1"), "/var/lib/redfleet/redis-main-6379/identity", "g1"), world: world(), want: OK, seen: "1 folders"},
		"another group's":  {files: with(node("f1"), "/var/lib/redfleet/redis-main-6379/identity", "g0"), world: world(), want: Error, seen: "of group g0"},
		"an unknown group": {files: with(node("f1"), "/var/lib/redfleet/redis-old-6379/dump.rdb", ""), world: world(), want: Warning, seen: "redis-old-6379"},
		"a damaged file":   {files: map[string]string{"/var/lib/redfleet/state/node.json": "{"}, world: world(), want: Warning, seen: "damaged"},
	})
}

func TestOtherRedis(t *testing.T) {
	process := func(comm, cwd string) map[string]string {
		return map[string]string{"/proc/77/comm": comm + "\n", "/proc/77/cwd": "-> " + cwd, "/proc/self/comm": "redis-server"}
	}
	runCases(t, "other-redis", map[string]fileCase{
		"none":                           {want: OK, seen: "none runs"},
		"our own":                        {files: process("redis-server", "/var/lib/redfleet/redis-main-6379"), want: OK, seen: "1 run"},
		"the distribution's":             {files: process("redis-server", "/var/lib/redis"), want: Warning, seen: "redis-server (pid 77, in /var/lib/redis)"},
		"a sentinel":                     {files: process("redis-sentinel", "/"), want: Warning, seen: "redis-sentinel"},
		"a name cut by comm":             {files: process("valkey-sentinel", "/"), want: Warning, seen: "valkey-sentinel"},
		"in our folder, not one of ours": {files: process("valkey-server", "/var/lib/redfleet"), want: Warning, seen: "valkey-server"},
		"our own question":               {files: map[string]string{"/proc/77/comm": "redis-server", "/proc/77/stat": fmt.Sprintf("77 (redis-server) R %d 77", os.Getpid())}, want: OK},
		"something else":                 {files: process("nginx", "/"), want: OK},
	})
}

func TestOtherConfig(t *testing.T) {
	at := func(path, text string) map[string]string { return map[string]string{path: text} }
	runCases(t, "other-config", map[string]fileCase{
		"none":               {want: OK, seen: "nothing below"},
		"the packages'":      {files: at("/etc/redis/redis.conf", "port 6379\ncluster-enabled no\n"), want: OK, seen: "1 files"},
		"their sentinel":     {files: at("/etc/redis/sentinel.conf", "sentinel monitor mymaster 127.0.0.1 6379 2\n"), want: OK},
		"a replica by hand":  {files: at("/etc/redis/redis.conf", "slaveof 10.0.0.1 6379\nmasterauth geheim\n"), want: Warning, seen: "follows 10.0.0.1:6379, has masterauth"},
		"a sentinel by hand": {files: at("/etc/valkey/sentinel.conf", "sentinel monitor shop 10.0.0.1 6379 2\n"), want: Warning, seen: "watches shop at 10.0.0.1:6379"},
		"one more instance":  {files: at("/etc/redis/second/redis.conf", "cluster-enabled yes\n"), want: Warning, seen: "is of a cluster"},
		"a damaged file":     {files: at("/etc/redis/redis.conf", "requirepass \"geheim\n"), want: Warning, seen: "line 1"},
	})
}

func TestNeedrestart(t *testing.T) {
	program := func(more string, text string) map[string]string {
		return map[string]string{"/etc/needrestart/needrestart.conf": "", more: text}
	}
	runCases(t, "needrestart", map[string]fileCase{
		"not there":  {want: NotApplicable},
		"unprepared": {files: program("/etc/needrestart/conf.d/README.needrestart", "redfleet"), want: Warning, seen: "override_rc"},
		"prepared":   {files: program("/etc/needrestart/conf.d/redfleet.conf", "qr(^redfleet-redis@)"), want: OK, seen: "redfleet.conf"},
	})
}
