package fleet

import (
	"regexp"
	"strconv"
	"strings"
)

// directivePattern is how every directive of Redis and Valkey is written.
var directivePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// config judges what can be known without the engine: that each name and value
// is one line of a file, and that redfleet does not set the directive itself.
func (v *validator) config(path string, g GroupSpec) {
	first := map[string]string{}
	for _, name := range g.Config.Names() {
		at := path + "." + name
		if !directivePattern.MatchString(name) {
			v.errorf(at, "%q cannot be a directive: a name has letters, digits, - and _ only", name)
			continue
		}
		lower := strings.ToLower(name)
		if other, seen := first[lower]; seen {
			v.errorf(at, "%s and %s are one directive to the engine; keep one of them", other, name)
		}
		first[lower] = name
		if instead, owned := OwnedDirective(name); owned {
			v.errorf(at, "%s", OwnedMessage(name, instead))
			continue
		}
		v.configValues(at, g.Config[name])
	}
	v.minReplicas(path, g)
}

func (v *validator) configValues(at string, values []string) {
	if len(values) == 0 {
		v.errorf(at, "an empty list sets nothing; give a value, or leave the directive out")
	}
	for _, value := range values {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			v.errorf(at, "the value has a line break or another control character in it; a value is one line of the "+
				"file (use a list for several lines)")
		}
	}
}

// minReplicas warns of a group that stops to take writes while one node is
// restarted (hazard D4).
func (v *validator) minReplicas(path string, g GroupSpec) {
	for _, name := range g.Config.Names() {
		lower := strings.ToLower(name)
		if lower != "min-replicas-to-write" && lower != "min-slaves-to-write" {
			continue
		}
		for _, value := range g.Config[name] {
			n, err := strconv.Atoi(value)
			if err == nil && n > 0 && n >= len(g.Nodes)-1 {
				v.warnf(path+"."+name, "with %s and %d replicas to write to, the loss or the restart of any one replica "+
					"stops all writes", count(len(g.Nodes), "node"), n)
			}
		}
	}
}
