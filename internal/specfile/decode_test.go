package specfile

import (
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// FuzzDecode: whatever the file holds, reading it ends in a verdict, and each
// problem has a message and a line of the file.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"[fleet]\nname = 'a'\n[[group]]\nname = 'g'\nnodes = ['n']", "group = [1, [2], {name = 3}]", "group = []", "fleet = 1",
		"[[group]]\nnodes = [['a'], {b = 1}]\nconfig = [1]", "[group]\nnodes = {}", "[[group]]\nconfig.a.b = 1\nconfig.c = [1, [2, {}]]",
		"[[fleet]]", "[[group.sentinel]]\nquorum = 99999999999", "groups = 2\n[[group]]\nnoods = 1979-05-27", "[labels]\na = 1\n[consul]\nx = nan",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		for _, into := range []any{&fleet.Spec{}, &AgentConfig{}, &CoordinatorConfig{}} {
			read, err := parse("f", []byte(src), into)
			if err != nil {
				continue
			}
			for _, p := range located(read.problems, read.at) {
				if p.Message == "" || p.Line < 1 || p.Line > strings.Count(src, "\n")+1 {
					t.Errorf("%T: %+v", into, p)
				}
			}
		}
		var s fleet.Spec
		if _, err := parse("f", []byte(src), &s); err == nil {
			s.Validate()
		}
	})
}
