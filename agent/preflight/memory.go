package preflight

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// gatherMemory gives MemTotal of proc(5) in bytes.
func gatherMemory(_ context.Context, in *Input) (int64, error) {
	text, err := in.read("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/meminfo says no MemTotal")
}

// judgeMemory compares with all memory and not with what is free: the instances
// that run already are among those that are counted.
func judgeMemory(in *Input, total int64) Finding {
	servers := in.Plan.servers()
	if len(servers) == 0 {
		return in.unplanned()
	}
	var sum int64
	var parts, unbound []string
	for _, i := range servers {
		n := bytesOf(i.Config, "maxmemory")
		if n == 0 {
			unbound = append(unbound, string(i.ID))
			continue
		}
		sum += n
		parts = append(parts, fmt.Sprintf("%s %s", i.ID, mib(n)))
	}
	have := fmt.Sprintf("the machine has %s", mib(total))
	asked := fmt.Sprintf("maxmemory is %s together (%s)", mib(sum), strings.Join(parts, ", "))
	const lower = "lower maxmemory in [group.config], or give the machine more memory"
	switch {
	case sum > total:
		return fail(lower, "%s, %s", asked, have)
	case len(unbound) > 0:
		return warn("set maxmemory in [group.config], to less than half of the machine's memory",
			"%s may grow without bound: no maxmemory; %s", strings.Join(unbound, " and "), have)
	case 2*sum > total:
		return warn(lower, "%s, %s: while a server saves or feeds a new replica, it can need as much again for what is written meanwhile "+
			"(copy on write)", asked, have)
	}
	return ok("%s, %s", asked, have)
}
