package specfile

import (
	"os"
	"path/filepath"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// The range of a lease: Consul takes no session under 10 s, and may end one
// only after twice its TTL (hazard K1), so that a minute already means two
// without a coordinator.
const (
	defaultLeaseTTL = fleet.Duration(15 * time.Second)
	minLeaseTTL     = fleet.Duration(10 * time.Second)
	maxLeaseTTL     = fleet.Duration(60 * time.Second)
)

// ReadCoordinator reads a coordinator's file. The result has its defaults
// filled in and is valid; the error is as ReadSpec's.
//
// credentials is the folder in which systemd hands a unit its secrets
// (systemd.exec(5), "CREDENTIALS"), empty where there is none. A secret that the
// file names is taken from there if there is one of that name: the coordinator's
// own user can read no other.
func ReadCoordinator(path, credentials string) (CoordinatorConfig, error) {
	var c CoordinatorConfig
	f, err := read(path, &c)
	if err != nil {
		return CoordinatorConfig{}, err
	}
	c = c.WithDefaults()
	c.KeyFile = credential(credentials, c.KeyFile)
	c.Consul.TokenFile = credential(credentials, c.Consul.TokenFile)
	if err := f.verdict(c.problems()); err != nil {
		return CoordinatorConfig{}, err
	}
	return c, nil
}

// WithDefaults fills in all that the file left out.
func (c CoordinatorConfig) WithDefaults() CoordinatorConfig {
	c.Consul = c.Consul.withDefaults()
	if c.LeaseTTL == 0 {
		c.LeaseTTL = defaultLeaseTTL
	}
	setDefault(&c.KeyFile, defaultKeyFile)
	setDefault(&c.LogLevel, defaultLogLevel)
	setDefault(&c.LogFormat, defaultLogFormat)
	return c
}

func (c CoordinatorConfig) problems() checks {
	var k checks
	k.name("fleet", "the fleet to coordinate", c.Fleet)
	k.name("name", "this coordinator", c.Name)
	k.consul("consul", c.Consul)
	k.absolute("key_file", c.KeyFile)
	if c.LeaseTTL < minLeaseTTL || c.LeaseTTL > maxLeaseTTL {
		k.addf("lease_ttl", "%s is out of range; use %s (Consul takes no less) to %s (a lost coordinator is missed for up to twice as long)",
			c.LeaseTTL, minLeaseTTL, maxLeaseTTL)
	}
	k.logging(c.LogLevel, c.LogFormat)
	return k
}

func (c ConsulConfig) withDefaults() ConsulConfig {
	setDefault(&c.Address, defaultConsul)
	return c
}

// credential is the file that systemd handed over for one that is named. An empty
// line is the unit's stand-in for a file that was missing when it started: that is
// then told of the file itself.
func credential(dir, file string) string {
	if dir == "" || file == "" {
		return file
	}
	handed := filepath.Join(dir, filepath.Base(file))
	if info, err := os.Stat(handed); err != nil || info.Size() <= 1 {
		return file
	}
	return handed
}
