package specfile

import (
	"fmt"
	"os"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Locate gives problems that others found in a spec, as an engine does, their
// lines in the file, and sorts by them. A path that the file does not write
// down has the line of the nearest table around it.
func Locate(file string, problems []fleet.Problem) ([]fleet.Problem, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return problems, fmt.Errorf("read the file: %w", err)
	}
	return located(problems, findLines(string(data))), nil
}

// InGroup makes the paths of problems within a group those of the whole spec.
func InGroup(i int, problems []fleet.Problem) []fleet.Problem {
	out := make([]fleet.Problem, len(problems))
	for n, p := range problems {
		p.Path = strings.TrimSuffix(element("group", i)+"."+p.Path, ".")
		out[n] = p
	}
	return out
}
