package fleet

import (
	"fmt"
	"slices"
	"strings"
)

// Validate judges a spec as it stands with its defaults filled in, and reports
// every problem at once, each with its path. errs stop an apply; warnings are
// things that work and that an operator would want to know. It looks at the
// spec alone: whether the engine knows a directive is the engine's to say, and
// whether a node exists is Consul's.
func (s Spec) Validate() (warnings, errs []Problem) {
	s = s.WithDefaults()
	v := &validator{}
	v.name("fleet.name", "the fleet", s.Fleet.Name)
	if len(s.Groups) == 0 {
		v.errorf("group", "the spec has no group; add a [[group]] with name and nodes")
	}
	for i, g := range s.Groups {
		v.group(fmt.Sprintf("group[%d]", i), s.Fleet.Name, g)
	}
	v.uniqueAmongGroups(s.Groups)
	v.portsOnNodes(s.Groups)
	return v.warnings, v.errs
}

// validator gathers what is found.
type validator struct{ warnings, errs []Problem }

func (v *validator) errorf(path, format string, args ...any) {
	v.errs = append(v.errs, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (v *validator) warnf(path, format string, args ...any) {
	v.warnings = append(v.warnings, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (v *validator) group(path, fleet string, g GroupSpec) {
	v.name(path+".name", "the group", g.Name)
	v.oneOf(path+".topology", "topology", string(g.Topology), Topologies())
	v.oneOf(path+".engine", "engine", g.Engine, Engines())
	v.nodes(path+".nodes", "the group", g.Nodes)
	v.port(path+".port", g.Port)
	v.password(path+".password", g.Password)
	v.service(path+".service", fleet, g)
	v.prefer(path+".prefer", g)
	v.onCrash(path+".on_crash", g)
	v.sentinel(path+".sentinel", g)
	v.durability(path, g)
	v.config(path+".config", g)
}

// nameRule is what ValidName asks for.
const nameRule = "1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end " +
	"(it becomes a part of a DNS name)"

func (v *validator) name(path, what, name string) {
	switch {
	case name == "":
		v.errorf(path, "%s has no name; give it one of %s", what, nameRule)
	case !ValidName(name):
		v.errorf(path, "%q cannot be a name; use %s", name, nameRule)
	}
}

func (v *validator) oneOf(path, what, word string, known []string) {
	if slices.Contains(known, word) {
		return
	}
	hint := ""
	if near, ok := Nearest(word, known); ok {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	v.errorf(path, "unknown %s %q: it can be %s%s", what, word, quotedList(known, "or"), hint)
}

func (v *validator) nodes(path, owner string, nodes []string) {
	if len(nodes) == 0 {
		v.errorf(path, "%s has no nodes; list the nodes' names, as in nodes = [\"n1\", \"n2\", \"n3\"]", owner)
	}
	first := map[string]int{}
	for i, n := range nodes {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !ValidName(n) {
			v.errorf(at, "%q cannot be a node's name; use %s", n, nameRule)
			continue
		}
		if j, seen := first[n]; seen {
			v.errorf(at, "node %q is listed twice (first as number %d); a node runs one instance of each kind", n, j+1)
			continue
		}
		first[n] = i
	}
}

func (v *validator) port(path string, port int) {
	if port < 1 || port > 65535 {
		v.errorf(path, "%d is no port; use 1 to 65535", port)
	}
}

func (v *validator) password(path string, p PasswordSpec) {
	if p.Generate && p.File != "" {
		v.errorf(path, "generate and file are both set; keep one: the password is either made by redfleet or yours")
	}
}

// service: the name is a DNS label because Consul serves it as one.
func (v *validator) service(path, fleet string, g GroupSpec) {
	if ValidName(g.Service) {
		return
	}
	if g.Service == fleet+"-"+g.Name {
		if ValidName(fleet) && ValidName(g.Name) { // else the names' own errors say it
			v.errorf(path, "the default %q is %d letters long and a DNS label has at most 63; set a shorter service",
				g.Service, len(g.Service))
		}
		return
	}
	v.errorf(path, "%q cannot be the name of a service in Consul; use %s", g.Service, nameRule)
}

func (v *validator) prefer(path string, g GroupSpec) {
	if g.Prefer == "" || len(g.Nodes) == 0 || slices.Contains(g.Nodes, g.Prefer) {
		return
	}
	hint := ""
	if near, ok := Nearest(g.Prefer, g.Nodes); ok {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	v.errorf(path, "node %q is not in the group, so it cannot be its first master; the nodes are %s%s",
		g.Prefer, quotedList(g.Nodes, "and"), hint)
}

// quotedList writes words as "a", "b" or "c", with the conjunction given, and
// stops after ten.
func quotedList(words []string, conjunction string) string {
	const most = 10
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == most:
			fmt.Fprintf(&b, " … (%d in all)", len(words))
			return b.String()
		case i > 0 && i == len(words)-1:
			b.WriteString(" " + conjunction + " ")
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", w)
	}
	return b.String()
}
