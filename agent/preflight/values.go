package preflight

import (
	"strconv"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// number is a directive of one number; 0 where the spec does not set it.
func number(d fleet.Directives, name string) int {
	if v := d[name]; len(v) == 1 {
		if n, err := strconv.Atoi(v[0]); err == nil {
			return n
		}
	}
	return 0
}

// bytesOf is a directive of one size in bytes; 0 where the spec does not set it.
func bytesOf(d fleet.Directives, name string) int64 {
	if v := d[name]; len(v) == 1 {
		n, _ := redisconf.Size(v[0])
		return n
	}
	return 0
}

// mib writes bytes for people.
func mib(n int64) string { return strconv.FormatInt(n>>20, 10) + " MiB" }
