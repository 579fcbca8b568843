package redisconf

import (
	"slices"
	"strconv"
	"strings"
)

// sameLines tells whether the engine would read the same from both.
func sameLines(name string, onDisk, want []line) bool {
	if len(onDisk) == 0 {
		return len(want) == 1 && isSentinelDefault(name, want[0].args)
	}
	if name == "save" { // "save 3600 1 300 100" is rewritten as two lines
		return slices.Equal(flat(onDisk), flat(want))
	}
	return slices.EqualFunc(onDisk, want, func(a, b line) bool {
		return slices.EqualFunc(a.args, b.args, func(x, y string) bool {
			return x == y || !secret(name) && normal(x) == normal(y)
		})
	})
}

func flat(lines []line) []string {
	var all []string
	for _, l := range lines {
		all = append(all, l.args...)
	}
	return all
}

// secret: a password is compared letter by letter.
func secret(name string) bool {
	return strings.Contains(name, "pass") || strings.Contains(name, "auth") || name == "user"
}

// normal brings what CONFIG REWRITE may write in another way to one form: sizes
// in bytes, yes and no in lower case.
func normal(arg string) string {
	lower := strings.ToLower(arg)
	if lower == "yes" || lower == "no" {
		return lower
	}
	if n, ok := Size(arg); ok {
		return strconv.FormatInt(n, 10)
	}
	return arg
}

// Size reads a size as the engine does: "512mb" is 512 × 1024², "1g" is 10⁹, and
// a bare number counts bytes. False for what is none, or less than zero.
func Size(arg string) (int64, bool) {
	lower := strings.ToLower(arg)
	digits := strings.TrimRight(lower, "bkmgt")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit, known := sizeUnits[lower[len(digits):]]
	if err != nil || !known || n < 0 || n > (1<<62)/unit {
		return 0, false
	}
	return n * unit, true
}

// sizeUnits are those of memtoull in the engine's util.c.
var sizeUnits = map[string]int64{
	"": 1, "b": 1, "k": 1e3, "kb": 1 << 10, "m": 1e6, "mb": 1 << 20, "g": 1e9, "gb": 1 << 30,
}

// isSentinelDefault: Sentinel leaves these lines out of its file when they have
// the default (rewriteConfigSentinelOption in sentinel.c, the same from 6.2 to 8
// and in Valkey), so that a missing line says the same.
func isSentinelDefault(name string, args []string) bool {
	if len(args) == 0 {
		return false
	}
	want, ok := map[string]string{
		"sentinel down-after-milliseconds":         "30000",
		"sentinel failover-timeout":                "180000",
		"sentinel parallel-syncs":                  "1",
		"sentinel master-reboot-down-after-period": "0",
		"sentinel deny-scripts-reconfig":           "yes",
		"sentinel resolve-hostnames":               "no",
		"sentinel announce-hostnames":              "no",
	}[name]
	return ok && args[len(args)-1] == want
}
