package preflight

import (
	"context"
	"strings"
)

// needrestartFacts are whether the program is there, and which of its files
// speak of redfleet.
type needrestartFacts struct {
	installed bool
	files     []string
}

func gatherNeedrestart(_ context.Context, in *Input) (needrestartFacts, error) {
	f := needrestartFacts{installed: len(in.glob("/etc/needrestart/needrestart.conf"))+len(in.glob("/usr/sbin/needrestart")) > 0}
	for _, file := range in.glob("/etc/needrestart/conf.d/*.conf") {
		text, err := in.read(file)
		if err != nil {
			return f, err
		}
		if strings.Contains(text, "redfleet") {
			f.files = append(f.files, file)
		}
	}
	return f, nil
}

// judgeNeedrestart: see hazard M1.
func judgeNeedrestart(_ *Input, f needrestartFacts) Finding {
	switch {
	case !f.installed:
		return none("needrestart is not installed")
	case len(f.files) == 0:
		return warn("install redfleet's package, which has a file for /etc/needrestart/conf.d; or write one there: "+
			"$nrconf{override_rc}{qr(^redfleet-(redis|sentinel)@)} = 0;",
			"needrestart is installed, and nothing in /etc/needrestart/conf.d keeps it from restarting redfleet's Redis")
	}
	return ok("%s keeps it from restarting redfleet's Redis", strings.Join(f.files, ", "))
}
