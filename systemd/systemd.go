// Package systemd has redfleet's unit files, and runs instances as units of
// systemd, over D-Bus.
//
// A unit's name has the group and the port: the instance redis-main-6379 is
// redfleet-redis@main-6379.service. What differs per machine stands in a drop-in
// beside the shipped template, so that a package can replace the template.
package systemd

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

//go:embed *.service
var files embed.FS

// Files are the unit files, by name: for the package that installs them into
// /usr/lib/systemd/system.
func Files() (map[string][]byte, error) {
	names, err := fs.Glob(files, "*.service")
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, name := range names {
		if out[name], err = files.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// UnitName is the unit of an instance. The error is about an id that is none.
func UnitName(id fleet.InstanceID) (string, error) {
	kind, rest, _ := strings.Cut(string(id), "-")
	switch {
	case kind != string(fleet.KindRedis) && kind != string(fleet.KindSentinel),
		rest == "", path.Base(rest) != rest, strings.Trim(rest, letters) != "":
		return "", fmt.Errorf("%q is no instance that could be a unit: want redis-GROUP-PORT or sentinel-GROUP-PORT", id)
	}
	return fmt.Sprintf("redfleet-%s@%s.service", kind, rest), nil
}

// letters of a group's name and a port; none of them is escaped in a unit's name.
const letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
