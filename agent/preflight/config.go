package preflight

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/redfleet/redfleet/internal/secret"
)

// configFacts say whether the agent's file and key can be used.
type configFacts struct {
	fileErr, keyErr, ignoreErr error
}

func gatherConfig(_ context.Context, in *Input) (configFacts, error) {
	f := configFacts{fileErr: in.ConfigErr, ignoreErr: CheckNames(in.Config.PreflightIgnore)}
	if f.fileErr == nil {
		_, f.keyErr = secret.LoadKey(in.Config.KeyFile)
	}
	return f, nil
}

func judgeConfig(in *Input, f configFacts) Finding {
	switch {
	case errors.Is(f.fileErr, fs.ErrNotExist):
		return warn("redfleet join makes it; until then name with --node, --address, --fleet and --spec what is to be looked at",
			"there is no %s: the machine has not joined a fleet, and the checks go by flags and defaults", in.ConfigFile)
	case f.fileErr != nil:
		return fail("mend the lines named here", "%s cannot be used: %v", in.ConfigFile, f.fileErr)
	case f.ignoreErr != nil:
		return fail("mend preflight_ignore in "+in.ConfigFile, "preflight_ignore: %v", f.ignoreErr)
	case f.keyErr != nil:
		return fail("copy the fleet's key there from another node, with mode 0600: "+in.Config.KeyFile, "%v", f.keyErr)
	}
	return ok("%s and %s can be used", in.ConfigFile, in.Config.KeyFile)
}

func gatherSpec(_ context.Context, in *Input) (error, error) { return in.PlanErr, nil }

func judgeSpec(in *Input, planErr error) Finding {
	switch {
	case planErr != nil:
		return warn("name a spec with --spec FILE", "what is to run here is not known: %v", planErr)
	case len(in.Plan.Instances) == 0:
		return warn("see whether the name is right: --node, or node in agent.toml", "%s puts nothing on %s", in.Plan.Source, in.Config.Node)
	}
	names := make([]string, len(in.Plan.Instances))
	for i, instance := range in.Plan.Instances {
		names[i] = string(instance.ID)
	}
	return ok("%s puts %s on %s", in.Plan.Source, strings.Join(names, ", "), in.Config.Node)
}
