package preflight

import (
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

func TestOvercommit(t *testing.T) {
	at := func(mode string) map[string]string {
		return map[string]string{"/proc/sys/vm/overcommit_memory": mode + "\n"}
	}
	runCases(t, "overcommit", map[string]fileCase{
		"always":  {files: at("1"), want: OK},
		"guessed": {files: at("0"), want: Warning, seen: "--fix"},
		"strict":  {files: at("2"), want: Warning, seen: "strict"},
		"no file": {want: Warning, seen: "not found out"},
	})
}

func TestHugepages(t *testing.T) {
	at := func(text string) map[string]string {
		return map[string]string{"/sys/kernel/mm/transparent_hugepage/enabled": text}
	}
	runCases(t, "hugepages", map[string]fileCase{
		"madvise":           {files: at("always [madvise] never\n"), want: OK},
		"never":             {files: at("always madvise [never]\n"), want: OK},
		"always":            {files: at("[always] madvise never\n"), want: Warning, seen: "disable-thp"},
		"always, no escape": {files: at("[always] madvise never\n"), plan: server("disable-thp no"), want: Warning, seen: "redis-main-6379 says"},
		"no such kernel":    {want: NotApplicable},
		"garbage":           {files: at("always"), want: Warning, seen: "cannot be understood"},
	})
}

func TestSomaxconn(t *testing.T) {
	at := func(n string) map[string]string { return map[string]string{"/proc/sys/net/core/somaxconn": n + "\n"} }
	runCases(t, "somaxconn", map[string]fileCase{
		"default":         {files: at("4096"), want: OK},
		"just enough":     {files: at("511"), want: OK},
		"too small":       {files: at("128"), want: Warning, seen: "128"},
		"the spec's more": {files: at("4096"), plan: server("tcp-backlog 8192"), want: Warning, seen: "8192"},
	})
}

func TestNofile(t *testing.T) {
	limits := func(hard string) string {
		return "Limit                     Soft Limit           Hard Limit           Units\n" +
			"Max open files            1024                 " + hard + "               files\n"
	}
	unit := func(lines string) string { return "[Service]\n" + lines }
	const template = "/usr/lib/systemd/system/redfleet-redis@.service"
	runCases(t, "nofile", map[string]fileCase{
		"unit and limit":     {files: map[string]string{"/proc/1/limits": limits("524288"), template: unit("LimitNOFILE=65536\n")}, want: OK, seen: "65536"},
		"no unit yet":        {files: map[string]string{"/proc/1/limits": limits("524288")}, want: OK, seen: "not installed"},
		"unlimited":          {files: map[string]string{"/proc/1/limits": limits("unlimited"), template: unit("LimitNOFILE=infinity\n")}, want: OK, seen: "unlimited"},
		"the unit's too low": {files: map[string]string{"/proc/1/limits": limits("524288"), template: unit("LimitNOFILE=4096\n")}, want: Warning, seen: "LimitNOFILE=10032"},
		"a drop-in lowers it": {files: map[string]string{"/proc/1/limits": limits("524288"), template: unit("LimitNOFILE=65536\n"),
			"/etc/systemd/system/redfleet-redis@.service.d/50-low.conf": unit("LimitNOFILE=1024:2048\n")}, want: Warning, seen: "is 2048"},
		"a container": {files: map[string]string{"/proc/1/limits": limits("4096"), template: unit("LimitNOFILE=65536\n")}, want: Warning, seen: "container"},
		"the kernel":  {files: map[string]string{"/proc/1/limits": limits("524288"), "/proc/sys/fs/nr_open": "8192"}, want: Warning, seen: "fs.nr_open 8192"},
		"more clients": {files: map[string]string{"/proc/1/limits": limits("524288"), template: unit("LimitNOFILE=65536\n")},
			plan: server("maxclients 65536"), want: Warning, seen: "65568"},
	})
}

func TestMemory(t *testing.T) {
	eight := map[string]string{"/proc/meminfo": "MemTotal:        8388608 kB\nMemFree: 1 kB\n"}
	two := server("maxmemory 5gb")
	two.Instances = append(two.Instances, Instance{ID: "redis-b-6380", Kind: fleet.KindRedis, Config: map[string][]string{"maxmemory": {"4gb"}}})
	runCases(t, "memory", map[string]fileCase{
		"half":          {files: eight, plan: server("maxmemory 4gb"), want: OK},
		"fork":          {files: eight, plan: server("maxmemory 5gb"), want: Warning, seen: "copy on write"},
		"too much":      {files: eight, plan: server("maxmemory 9gb"), want: Error, seen: "9216 MiB together"},
		"together":      {files: eight, plan: two, want: Error, seen: "redis-b-6380 4096 MiB"},
		"without bound": {files: eight, plan: server(), want: Warning, seen: "no maxmemory"},
		"nothing here":  {files: eight, want: NotApplicable},
		"no MemTotal":   {files: map[string]string{"/proc/meminfo": "MemFree: 1 kB"}, plan: server(), want: Warning, seen: "MemTotal"},
	})
}
