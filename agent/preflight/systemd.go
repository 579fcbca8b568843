package preflight

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/specfile"
)

// leastSystemd is the version that the units need, and the package asks for: the
// coordinator's takes its secrets by LoadCredential, with SetCredential for one
// that may be missing, since a user that is made at its start cannot read root's
// files. What an older systemd does not know of the rest only hardens.
const leastSystemd = 250

// systemdFacts are whether systemd runs the machine (sd_booted(3)), and which.
type systemdFacts struct {
	booted  bool
	version string
}

func (in *Input) booted() bool { return len(in.glob("/run/systemd/system")) > 0 }

func gatherSystemd(ctx context.Context, in *Input) (systemdFacts, error) {
	f := systemdFacts{booted: in.booted()}
	if !f.booted || in.Systemd == nil {
		return f, nil
	}
	var err error
	f.version, err = in.Systemd(ctx)
	return f, err
}

func judgeSystemd(in *Input, f systemdFacts) Finding {
	if !f.booted {
		if in.Config.Supervisor == specfile.SupervisorSystemd {
			return fail(`boot the machine with systemd; or set supervisor = "process" in agent.toml, as in a container`,
				"systemd does not run here, and the instances are to be its units")
		}
		return none("systemd does not run here, and supervisor is %q", in.Config.Supervisor)
	}
	major, err := majorOf(f.version)
	switch {
	case err != nil:
		return warn("see systemctl --version", "%v", err)
	case major < leastSystemd:
		return fail("upgrade the distribution: Debian has it from 12 on, Ubuntu from 24.04 on", "systemd is %s, %d is the least", f.version, leastSystemd)
	}
	return ok("systemd %s", f.version)
}

// majorOf is the number that systemd's versions begin with, as in "252.30-1~deb12u2"
// and "v257".
func majorOf(version string) (int, error) {
	digits := strings.TrimPrefix(version, "v")
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("systemd's version %q cannot be understood", version)
	}
	return n, nil
}
