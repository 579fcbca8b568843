package join

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/systemd"
)

// EngineUnit is the transient unit in which apt installs an engine.
const EngineUnit = "redfleet-engine-install.service"

// installScript gets the package's name as its argument. Lists that cannot be renewed
// may still be good enough; needrestart must restart nothing (hazard M1), and nobody
// is there to answer a question.
const installScript = `export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt-get -q update || echo "redfleet: the package lists could not be renewed; going on with those that are there" >&2
exec apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$1"`

// Jobs is the part of systemd that installing an engine needs.
type Jobs interface {
	MaskMissing(ctx context.Context, units ...string) ([]string, error)
	RunJob(ctx context.Context, j systemd.Job, tick func(time.Duration)) error
}

var _ Jobs = (*systemd.Manager)(nil)

// InstallEngine installs an engine through apt, in a unit of its own, so that it is
// no child of redfleet and is not cut off with it (hazard M5). The distribution's
// units are masked before, so that no server starts by itself (hazard E2); tell hears
// of that and of the time that it takes. It waits until ctx ends at most; what runs
// then goes on. Afterwards the engine is asked for its version.
func InstallEngine(ctx context.Context, j Jobs, name string, tell func(string)) (engine.Engine, error) {
	masked, err := j.MaskMissing(ctx, engine.DistributionUnits(name)...)
	if err != nil {
		return engine.Engine{}, err
	}
	if len(masked) > 0 {
		tell(fmt.Sprintf("masked %v, so that the package starts no server of its own; redfleet has its own units", masked))
	}
	pkg := engine.Package(name)
	tell(fmt.Sprintf("installing %s through apt; journalctl -fu %s shows it", pkg, EngineUnit))
	job := systemd.Job{
		Unit: EngineUnit, Description: "apt installs " + pkg + " for redfleet",
		Argv: []string{"/bin/sh", "-c", installScript, "redfleet-engine-install", pkg},
	}
	err = j.RunJob(ctx, job, func(took time.Duration) {
		if seconds := int(took.Seconds()); seconds%5 == 0 {
			tell(fmt.Sprintf("still installing %s (%d s)", pkg, seconds))
		}
	})
	if err != nil {
		return engine.Engine{}, fmt.Errorf("installing %s: %w", pkg, err)
	}
	found, err := engine.Find(ctx, name, "")
	if err != nil {
		return engine.Engine{}, fmt.Errorf("apt installed %s, and yet: %w", pkg, err)
	}
	return found, nil
}

// MissingEngine gives the engine that is to be installed: the wanted one where it is
// not there, redis where none is wanted and none is there; empty where nothing is
// missing. An engine that is there and cannot be used is an error.
func MissingEngine(ctx context.Context, wanted string, known []string, paths map[string]string) (string, error) {
	if wanted != "" {
		known = []string{wanted}
	}
	var problem error
	for _, name := range known {
		_, err := engine.Find(ctx, name, paths[name])
		if err == nil {
			return "", nil
		}
		if !errors.Is(err, engine.ErrMissing) {
			problem = err
		}
	}
	if problem != nil {
		return "", problem
	}
	return known[0], nil
}
