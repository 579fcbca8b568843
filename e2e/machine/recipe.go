package machine

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strings"
)

//go:embed image/consul.service
var consulUnit string

//go:embed image/engines.sh
var enginesScript string

//go:embed image/finish.sh
var finishScript string

// Engines says which engines a node has installed. None of them starts by itself.
type Engines string

// The engines that a base image can have, and where they come from.
const (
	// SuiteEngines are those of the suite itself: Redis, and Valkey where the
	// suite has it (from trixie on).
	SuiteEngines Engines = ""
	// NoEngines is a machine without any, as a fresh server is. Its one apt source
	// is the folder /srv/apt, which has the packages of SuiteEngines, so that an
	// engine can be installed with no way out of the lab.
	NoEngines Engines = "none"
	// BackportsValkey is Valkey of the suite's backports, and no Redis.
	BackportsValkey Engines = "backports-valkey"
	// SidValkey is Valkey of sid on this suite, and no Redis.
	SidValkey Engines = "sid-valkey"
	// SidRedis is Redis of sid, and no Valkey. It asks for a newer C library than
	// trixie has, so that comes from sid too.
	SidRedis Engines = "sid-redis"
	// BullseyeRedis is Redis 6.0 of bullseye, which redfleet refuses, and no Valkey.
	BullseyeRedis Engines = "bullseye-redis"
)

func redisPackages() []string { return []string{"redis-server", "redis-sentinel", "redis-tools"} }

func valkeyPackages() []string { return []string{"valkey-server", "valkey-sentinel", "valkey-tools"} }

// recipe is all that goes into a base image. Two recipes with the same hash give
// images that are alike but for the day they were made.
type recipe struct {
	suite    string
	engines  Engines
	packages []string
	consul   string // path of the binary
}

func newRecipe(o Options) recipe {
	packages := []string{
		"systemd", "systemd-sysv", "dbus", "iproute2", "nftables", "procps", "iputils-ping", "curl",
		"ca-certificates", "bind9-dnsutils",
	}
	if o.Engines == SuiteEngines {
		packages = append(packages, suiteEngines(o.Suite)...)
	}
	packages = append(packages, o.Packages...)
	slices.Sort(packages)
	return recipe{suite: o.Suite, engines: o.Engines, packages: slices.Compact(packages), consul: o.Consul}
}

// suiteEngines are the packages of the engines that the suite has.
func suiteEngines(suite string) []string {
	if suite == "bullseye" || suite == "bookworm" { // Valkey came with trixie
		return redisPackages()
	}
	return slices.Concat(redisPackages(), valkeyPackages())
}

// added are the engines' packages that the suite alone does not give, and the
// suite that they come from; none for SuiteEngines.
func (r recipe) added() (from string, packages []string, err error) {
	switch r.engines {
	case SuiteEngines:
		return "", nil, nil
	case NoEngines:
		return r.suite, suiteEngines(r.suite), nil
	case BackportsValkey:
		return r.suite + "-backports", valkeyPackages(), nil
	case SidValkey:
		return "sid", valkeyPackages(), nil
	case SidRedis:
		return "sid", redisPackages(), nil
	case BullseyeRedis:
		return "bullseye", redisPackages(), nil
	}
	return "", nil, fmt.Errorf("there is no recipe for nodes with engines %q", r.engines)
}

// name is the base image's folder: base-<suite>-<hash of what went in>.
func (r recipe) name() (string, error) {
	from, added, err := r.added()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	parts := []string{r.suite, strings.Join(r.packages, ","), consulUnit, finishScript}
	if from != "" {
		parts = append(parts, string(r.engines), from, strings.Join(added, ","), enginesScript)
	}
	for _, part := range parts {
		_, _ = fmt.Fprintf(sum, "%d:%s\n", len(part), part)
	}
	if err := addFile(sum, r.consul); err != nil {
		return "", fmt.Errorf("the Consul binary for the base image: %w", err)
	}
	return fmt.Sprintf("base-%s-%.12x", r.suite, sum.Sum(nil)), nil
}

func addFile(sum hash.Hash, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(sum, f)
	return err
}
