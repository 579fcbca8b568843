package setup

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/redfleet/redfleet/internal/fleet"
)

// groupName is the name of the group that a new fleet begins with.
const groupName = "main"

//go:embed fleet.toml.tmpl
var specTemplate string

// specText is the spec as a person would write it, each key explained.
func (p Plan) specText() (string, error) {
	t, err := template.New("fleet.toml").Parse(specTemplate)
	if err != nil {
		return "", fmt.Errorf("the template of fleet.toml: %w", err)
	}
	spec := p.spec().Groups[0]
	var b strings.Builder
	err = t.Execute(&b, map[string]any{
		"Fleet": p.Fleet, "Group": groupName, "Topology": p.Topology, "Engine": p.Engine,
		"Nodes": list(spec.Nodes), "First": p.Nodes[0].Name, "Sentinel": p.Topology == fleet.Sentinel,
		"SentinelNodes": list(spec.Sentinel.Nodes), "Quorum": spec.Sentinel.Quorum,
	})
	if err != nil {
		return "", fmt.Errorf("the text of fleet.toml: %w", err)
	}
	return b.String(), nil
}

// list writes names, which need no escapes, as TOML does.
func list(names []string) string { return `["` + strings.Join(names, `", "`) + `"]` }
