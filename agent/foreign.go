package agent

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/redfleet/redfleet/agent/distro"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/templates"
)

const (
	// surveyEvery is how often what runs under the distribution's units is looked
	// at, surveyNone where nothing was found at the last look.
	surveyEvery = 5 * time.Second
	surveyNone  = 30 * time.Second
	// surveyTimeout bounds one look.
	surveyTimeout = 15 * time.Second
)

// foreign keeps what was last found under the distribution's units, for the
// report: `redfleet adopt` goes by it. It is safe for several goroutines.
type foreign struct {
	mu    sync.Mutex
	found []fleet.Foreign
}

func (f *foreign) set(found []fleet.Foreign) (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed = !reflect.DeepEqual(f.found, found)
	f.found = found
	return changed
}

// but gives what was found without what the goal has adopted already.
func (f *foreign) but(goal *fleet.Goal) []fleet.Foreign {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.found), func(x fleet.Foreign) bool {
		return slices.Contains(adoptedUnits(goal), x.Unit)
	})
}

// adoptedUnits are the distribution's units whose instances the goal has adopted.
func adoptedUnits(goal *fleet.Goal) (units []string) {
	if goal == nil {
		return nil
	}
	for _, g := range goal.Instances {
		if g.Adopted != nil {
			units = append(units, g.Adopted.Unit)
		}
	}
	return units
}

// survey looks at the distribution's units now and then, until ctx ends. Where
// instances are plain processes, as in the lab, there are none.
func (a *agent) survey(ctx context.Context) error {
	if a.cfg.Supervisor != specfile.SupervisorSystemd || a.outside.Supervisor != nil {
		return nil
	}
	defaults := map[string]map[string]string{}
	look := distro.Surveyor{
		Host: a.cfg.Address, DataDir: a.cfg.DataDir, Digest: a.key.Digest,
		Defaults: func(ctx context.Context, name string) (map[string]string, error) {
			if defaults[name] != nil {
				return defaults[name], nil
			}
			d, err := a.engineDefaults(ctx, name)
			if err == nil {
				defaults[name] = d
			}
			return d, err
		},
		Seeds: func(_ context.Context, name string) (map[string]string, error) { return templates.Seeds(name) },
	}
	complained := ""
	for {
		found, err := a.surveyOnce(ctx, look)
		if said := errorText(err); said != complained && ctx.Err() == nil {
			complained = said
			if err != nil {
				a.log.WithError(err).Warn("what runs under the distribution's units is not known")
			}
		}
		if err == nil && a.foreign.set(found) {
			a.offers.wakeUp()
		}
		pause := surveyNone
		if len(found) > 0 {
			pause = surveyEvery
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (a *agent) surveyOnce(ctx context.Context, look distro.Surveyor) ([]fleet.Foreign, error) {
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	return look.Look(ctx)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// engineDefaults asks an engine, once, for the values that it has by itself.
func (a *agent) engineDefaults(ctx context.Context, name string) (map[string]string, error) {
	path := map[string]string{fleet.EngineRedis: a.cfg.RedisServer, fleet.EngineValkey: a.cfg.ValkeyServer}[name]
	e, err := engine.Find(ctx, name, path)
	if err != nil {
		return nil, err
	}
	return e.Defaults(ctx)
}
