package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/kernel"
)

// fixDo is what to do about a setting of the kernel.
const fixDo = "redfleet preflight --fix sets it, and keeps it over a reboot"

func gatherOvercommit(_ context.Context, in *Input) (string, error) {
	return in.read(kernel.SysctlPathOf(kernel.Overcommit))
}

// judgeOvercommit: 1 is what Redis asks for (hazard E3).
func judgeOvercommit(_ *Input, mode string) Finding {
	switch mode {
	case "1":
		return ok("%s is 1", kernel.Overcommit)
	case "2":
		return warn(fixDo, "%s is 2, strict accounting: a fork needs as much free memory as the server has, and fails otherwise", kernel.Overcommit)
	default:
		return warn(fixDo, "%s is %s: the kernel guesses, and can refuse the fork of a large server", kernel.Overcommit, mode)
	}
}

// gatherHugepages gives the mode that is in force; empty where the kernel has none.
func gatherHugepages(_ context.Context, in *Input) (string, error) {
	text, err := in.read(kernel.HugepagesPath)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	mode, found := chosen(text)
	if !found {
		return "", fmt.Errorf("%s cannot be understood: %q", kernel.HugepagesPath, text)
	}
	return mode, nil
}

// chosen is the word in brackets, as in "always [madvise] never".
func chosen(text string) (string, bool) {
	_, rest, _ := strings.Cut(text, "[")
	word, _, found := strings.Cut(rest, "]")
	return word, found
}

// judgeHugepages: Redis from 6.2 on opts out for itself (disable-thp), so
// "always" is a warning and no error.
func judgeHugepages(in *Input, mode string) Finding {
	switch mode {
	case "":
		return none("this kernel has no transparent huge pages")
	case "always":
		for _, i := range in.Plan.servers() {
			if v := i.Config["disable-thp"]; len(v) == 1 && v[0] == "no" {
				return warn(fixDo, "transparent huge pages are on for every program, and %s says disable-thp no", i.ID)
			}
		}
		return warn(fixDo, "transparent huge pages are on for every program; Redis asks for an exception for itself (disable-thp), "+
			"which a template or a module can undo")
	}
	return ok("transparent huge pages: %s", mode)
}

func gatherSomaxconn(_ context.Context, in *Input) (int, error) {
	text, err := in.read(kernel.SysctlPathOf(kernel.Somaxconn))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// defaultBacklog is tcp-backlog in Redis and Valkey (hazard E3).
const defaultBacklog = 511

func judgeSomaxconn(in *Input, have int) Finding {
	want, whose := defaultBacklog, "Redis's own tcp-backlog"
	for _, i := range in.Plan.servers() {
		if n := number(i.Config, "tcp-backlog"); n > want {
			want, whose = n, "tcp-backlog of "+string(i.ID)
		}
	}
	if have >= want {
		return ok("%s is %d; %s is %d", kernel.Somaxconn, have, whose, want)
	}
	return warn(fixDo, "%s is %d; %s is %d", kernel.Somaxconn, have, whose, want)
}
