package specfile

import "github.com/redfleet/redfleet/internal/fleet"

// ReadSpec reads an operator's spec. The spec comes back with its defaults
// filled in and is valid; warnings are what works and should be known. Where
// the file cannot be used, the error is an *Error with all that is wrong (with
// its lines), or says why the file could not be opened; warnings are given
// beside it.
func ReadSpec(path string) (fleet.Spec, []fleet.Problem, error) {
	var s fleet.Spec
	f, err := read(path, &s)
	if err != nil {
		return fleet.Spec{}, nil, err
	}
	errs := f.refusedGenerate(s)
	s = s.WithDefaults()
	warnings, invalid := s.Validate()
	errs = append(errs, invalid...)
	warnings = located(without(warnings, f.spoiled), f.at)
	if err := f.verdict(errs); err != nil {
		return fleet.Spec{}, warnings, err
	}
	return s, warnings, nil
}

// refusedGenerate: generate = false with no file leaves the group without a
// password, which redfleet never does (hazard E4). It is looked for before the
// defaults are in: the records cannot tell it from a line that was left out.
func (f *file) refusedGenerate(s fleet.Spec) []fleet.Problem {
	var out []fleet.Problem
	for i, g := range s.Groups {
		path := element("group", i) + ".password.generate"
		if f.has(path) && g.Password == (fleet.PasswordSpec{}) {
			out = append(out, fleet.Problem{Path: path, Message: "false, and no file is named: a group always has a password; " +
				"name a file, or take the line out to have one made"})
		}
	}
	return out
}
