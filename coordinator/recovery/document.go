package recovery

import (
	"fmt"
	"maps"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Document is what a look found, for people and for programs: the JSON is that of
// `redfleet recover -o json` (docs/json.md).
type Document struct {
	Fleet     string     `json:"fleet"`
	FleetID   string     `json:"fleet_id"`
	Committed uint64     `json:"committed"`
	Nodes     []NodeDoc  `json:"nodes"`
	Groups    []GroupDoc `json:"groups"`
	// Writes are the keys that are missing, Found those that a run which was cut has
	// written already.
	Writes  []string `json:"writes"`
	Found   []string `json:"found"`
	Refused []string `json:"refused"`
	// Written: it has been done.
	Written bool `json:"written"`
}

// NodeDoc is one node: what it offers, or that it does not.
type NodeDoc struct {
	Node      string             `json:"node"`
	Offers    bool               `json:"offers"`
	Alive     bool               `json:"alive"`
	Epoch     uint64             `json:"epoch"`
	Instances []fleet.InstanceID `json:"instances"`
	// Secrets are groups with the version of the sealed password, as in "main 1".
	Secrets []string `json:"secrets"`
}

// GroupDoc is one group as it will be recorded.
type GroupDoc struct {
	Name               string              `json:"name"`
	ID                 string              `json:"id"`
	Topology           fleet.Topology      `json:"topology"`
	Phase              fleet.Phase         `json:"phase"`
	Nodes              []string            `json:"nodes"`
	Port               int                 `json:"port"`
	Sentinels          []string            `json:"sentinels"`
	Master             *fleet.MasterStatus `json:"master"`
	CredentialsVersion int                 `json:"credentials_version"`
}

// Document gives the finding as a document.
func (f Finding) Document(name string) Document {
	d := Document{
		Fleet: name, FleetID: f.Plan.Control.FleetID, Committed: f.Plan.Control.Committed,
		Nodes: []NodeDoc{}, Groups: []GroupDoc{}, Writes: []string{}, Found: slices.Concat([]string{}, f.There),
		Refused: slices.Concat([]string{}, f.Refused),
	}
	nodes := slices.Concat(slices.Collect(maps.Keys(f.Offers)), slices.Collect(maps.Keys(f.Reports)), f.Plan.Missing)
	slices.Sort(nodes)
	for _, node := range slices.Compact(nodes) {
		d.Nodes = append(d.Nodes, f.node(node))
	}
	for _, g := range f.Plan.Groups {
		d.Groups = append(d.Groups, f.group(g))
	}
	for _, op := range slices.Concat(f.ops, f.final) {
		d.Writes = append(d.Writes, op.Key())
	}
	if len(f.Refused) == 0 {
		d.Writes = append(d.Writes, fleet.KeysOf(name).Control())
	}
	return d
}

func (f Finding) node(name string) NodeDoc {
	o, offers := f.Offers[name]
	r := f.Reports[name]
	n := NodeDoc{Node: name, Offers: offers, Alive: r.Alive, Epoch: max(o.Epoch, r.Report.Epoch), Instances: []fleet.InstanceID{}, Secrets: []string{}}
	for _, i := range o.Goal.Instances {
		n.Instances = append(n.Instances, i.ID)
	}
	for _, s := range o.Secrets {
		n.Secrets = append(n.Secrets, fmt.Sprintf("%s %d", s.Group, s.Version))
	}
	return n
}

func (f Finding) group(g fleet.Group) GroupDoc {
	d := GroupDoc{
		Name: g.Name, ID: g.ID, Topology: g.Topology, Phase: g.Phase, CredentialsVersion: g.CredentialsVersion,
		Nodes: []string{}, Sentinels: []string{},
	}
	if s, ok := f.Plan.Spec.Group(g.Name); ok {
		d.Nodes, d.Port = slices.Concat(d.Nodes, s.Nodes), s.Port
		d.Sentinels = slices.Concat(d.Sentinels, s.Sentinel.Nodes)
	}
	if m, ok := f.Plan.Masters[g.Name]; ok {
		d.Master = &m
	}
	return d
}
