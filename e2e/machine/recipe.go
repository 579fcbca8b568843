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

//go:embed image/finish.sh
var finishScript string

// recipe is all that goes into a base image. Two recipes with the same hash give
// images that are alike but for the day they were made.
type recipe struct {
	suite    string
	packages []string
	consul   string // path of the binary
}

func newRecipe(suite string, more []string, consul string) recipe {
	packages := []string{
		"systemd", "systemd-sysv", "dbus", "iproute2", "nftables", "procps", "iputils-ping", "curl",
		"ca-certificates", "bind9-dnsutils", "redis-server", "redis-sentinel", "redis-tools",
	}
	if suite == "trixie" || suite == "forky" || suite == "sid" { // Valkey came with trixie
		packages = append(packages, "valkey-server", "valkey-sentinel", "valkey-tools")
	}
	packages = append(packages, more...)
	slices.Sort(packages)
	return recipe{suite: suite, packages: slices.Compact(packages), consul: consul}
}

// name is the base image's folder: base-<suite>-<hash of what went in>.
func (r recipe) name() (string, error) {
	sum := sha256.New()
	for _, part := range []string{r.suite, strings.Join(r.packages, ","), consulUnit, finishScript} {
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
