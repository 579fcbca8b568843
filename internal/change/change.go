// Package change is what applying a spec does: it compares the spec with the
// fleet as it is (which groups are made, which stay, what cannot be done), seals
// the passwords that come from files, and makes the record that goes to Consul.
// It writes nothing itself.
package change

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Later is the sentence that every refused change of a running group ends with.
const Later = "changes of groups that exist come with a later release of redfleet; until then a group keeps the spec it was made with"

// ByName ends the refusal of a change of a group's nodes alone: which one goes, and
// which one comes in its place, is said by name.
const ByName = "a node is taken out, or replaced, by name: redfleet node remove NODE [--replace-with NODE], which changes the spec in Consul too"

// Plan is what applying a spec would do.
type Plan struct {
	// Make are the groups to be made, Keep those that stay as they are.
	Make, Keep []fleet.GroupSpec
	// Refused says, a line for each group, what cannot be done.
	Refused []string
	// Missing are nodes of new groups whose agent has not reported yet.
	Missing []string
}

// Compare makes the plan. Passwords that come from a file are compared by
// whoever has the key.
func Compare(next fleet.Spec, w fleet.World) Plan {
	var now fleet.Spec
	if w.Spec != nil {
		now = w.Spec.Spec
	}
	var p Plan
	for _, g := range next.Groups {
		old, known := now.Group(g.Name)
		_, recorded := w.Groups[g.Name]
		switch {
		case known:
			p.compare(old, g)
		case recorded:
			p.refuse(g.Name, "Consul holds a record of this group but no spec for it, so what it was made with is not known; "+
				"give the group another name, or restore the spec in Consul")
		default:
			p.Make = append(p.Make, g)
		}
	}
	for _, old := range now.Groups {
		if _, stays := next.Group(old.Name); !stays {
			p.refuse(old.Name, "the new spec leaves it out, and removing a group would stop its servers; "+Later)
		}
	}
	p.Missing = missing(p.Make, w)
	return p
}

func (p *Plan) compare(old, next fleet.GroupSpec) {
	differs := Differences(old, next)
	if len(differs) == 0 {
		p.Keep = append(p.Keep, next)
		return
	}
	if onlyNodes(old, next) {
		p.refuse(next.Name, strings.Join(differs, "; ")+"; "+ByName)
		return
	}
	p.refuse(next.Name, strings.Join(differs, "; ")+"; "+Later)
}

// onlyNodes: nothing differs but which nodes the group is on, and how many sentinels
// must agree.
func onlyNodes(old, next fleet.GroupSpec) bool {
	if slices.Equal(old.Nodes, next.Nodes) && slices.Equal(old.Sentinel.Nodes, next.Sentinel.Nodes) {
		return false
	}
	old.Nodes, old.Sentinel.Nodes = next.Nodes, next.Sentinel.Nodes
	old.Sentinel.Quorum, old.Prefer = next.Sentinel.Quorum, next.Prefer
	return len(Differences(old, next)) == 0
}

func (p *Plan) refuse(group, why string) {
	p.Refused = append(p.Refused, fmt.Sprintf("group %q: %s", group, why))
}

// Refuse adds a group to those that cannot be changed.
func (p *Plan) Refuse(group, why string) {
	p.Keep = slices.DeleteFunc(p.Keep, func(g fleet.GroupSpec) bool { return g.Name == group })
	p.refuse(group, why+"; "+Later)
}

// missing are the nodes of new groups on which no agent lives.
func missing(groups []fleet.GroupSpec, w fleet.World) []string {
	nodes := map[string]bool{}
	for _, g := range groups {
		for _, n := range slices.Concat(g.Nodes, g.Sentinel.Nodes) {
			if !w.Reports[n].Alive {
				nodes[n] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(nodes))
}

// Differences names each setting of a group that differs, by its key in the
// spec, with both values. There is no secret in a spec.
func Differences(old, next fleet.GroupSpec) []string {
	a, b := settings(old), settings(next)
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if a[k] != b[k] {
			out = append(out, fmt.Sprintf("%s is %s, not %s", k, orUnset(a[k]), orUnset(b[k])))
		}
	}
	return out
}

func orUnset(v string) string {
	if v == "" {
		return "not set"
	}
	return v
}

// settings flattens a group to its keys as in the spec, sentinel.quorum or
// config.maxmemory.
func settings(g fleet.GroupSpec) map[string]string {
	out := map[string]string{}
	data, err := json.Marshal(g)
	if err != nil {
		return out // a GroupSpec has nothing that JSON cannot say
	}
	tree := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if dec.Decode(&tree) == nil {
		flatten(out, "", tree)
	}
	return out
}

func flatten(out map[string]string, path string, tree map[string]any) {
	for k, v := range tree {
		if path != "" {
			k = path + "." + k
		}
		if sub, ok := v.(map[string]any); ok {
			flatten(out, k, sub)
			continue
		}
		text, err := json.Marshal(v)
		if err == nil && v != nil {
			out[k] = string(text)
		}
	}
}
