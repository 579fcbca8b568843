package preflight

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// nofileFacts are the limits on open files, as far as they are known; 0 is "not
// said", and noLimit "infinity".
type nofileFacts struct {
	// unit is LimitNOFILE of the template of the Redis units with its drop-ins.
	unit int
	// hard is what systemd itself may give at most: it is the hard limit of
	// process 1, above which only a privileged process can go, and not in a
	// container.
	hard int
	// most is the kernel's own bound, fs.nr_open.
	most int
}

const noLimit = 1 << 30

// redisUnit is the template of the servers' units, as packages install it.
const redisUnit = "redfleet-redis@.service"

func gatherNofile(_ context.Context, in *Input) (nofileFacts, error) {
	var f nofileFacts
	limits, err := in.read("/proc/1/limits")
	if err != nil {
		return f, err
	}
	for line := range strings.Lines(limits) {
		rest, found := strings.CutPrefix(line, "Max open files")
		if fields := strings.Fields(rest); found && len(fields) >= 2 {
			f.hard = limit(fields[1])
		}
	}
	if most, err := in.read("/proc/sys/fs/nr_open"); err == nil {
		f.most = limit(most)
	}
	f.unit, err = in.unitLimit()
	return f, err
}

// unitLimit reads the last LimitNOFILE of the unit's files: that is the one that
// counts (systemd.unit(5)). 0 where the unit is not installed.
func (in *Input) unitLimit() (int, error) {
	found := 0
	files := in.glob("/usr/lib/systemd/system/" + redisUnit)
	for _, dir := range []string{"/usr/lib/systemd/system", "/etc/systemd/system"} {
		files = append(files, in.glob(dir+"/"+redisUnit+".d/*.conf")...)
	}
	for _, file := range files {
		text, err := in.read(file)
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(text) {
			name, value, set := strings.Cut(strings.TrimSpace(line), "=")
			if set && strings.TrimSpace(name) == "LimitNOFILE" {
				value = value[strings.LastIndexByte(value, ':')+1:] // soft:hard
				found = limit(strings.TrimSpace(value))
			}
		}
	}
	return found, nil
}

// limit reads a number of files as systemd and proc(5) write it; 0 for none.
func limit(text string) int {
	if text == "unlimited" || text == "infinity" {
		return noLimit
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return min(n, noLimit)
}

// What the engine asks for: maxclients, 10000 unless the spec says otherwise, and
// CONFIG_MIN_RESERVED_FDS of server.h (hazard E3).
const (
	defaultMaxclients = 10000
	reservedFiles     = 32
)

func judgeNofile(in *Input, f nofileFacts) Finding {
	need, whose := defaultMaxclients+reservedFiles, "maxclients 10000, the default,"
	for _, i := range in.Plan.servers() {
		if n := number(i.Config, "maxclients"); n+reservedFiles > need {
			need, whose = n+reservedFiles, fmt.Sprintf("maxclients %d of %s", n, i.ID)
		}
	}
	wants := fmt.Sprintf("%s and %d of its own are %d", whose, reservedFiles, need)
	bounds := slices.DeleteFunc([]int{f.unit, f.hard, f.most}, func(n int) bool { return n == 0 })
	switch {
	case f.unit != 0 && f.unit < need:
		return warn(fmt.Sprintf("systemctl edit %s, with LimitNOFILE=%d under [Service]", redisUnit, need),
			"LimitNOFILE of %s is %d; %s", redisUnit, f.unit, wants)
	case len(bounds) > 0 && slices.Min(bounds) < need:
		return warn("raise fs.nr_open, or the limit of the container that this machine is; or set a lower maxclients",
			"processes get %d files at most (the hard limit of process 1 is %s, fs.nr_open %s); %s",
			slices.Min(bounds), files(f.hard), files(f.most), wants)
	}
	unit := "the unit is not installed yet; "
	if f.unit != 0 {
		unit = fmt.Sprintf("LimitNOFILE is %s; ", files(f.unit))
	}
	return ok("%sthe hard limit is %s; %s", unit, files(f.hard), wants)
}

func files(n int) string {
	switch n {
	case 0:
		return "not known"
	case noLimit:
		return "unlimited"
	}
	return strconv.Itoa(n)
}
