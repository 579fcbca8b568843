package fleet

import "strconv"

// Problem is one thing that is wrong with a spec, or worth a warning.
type Problem struct {
	// Path is where it is, as in "group[1].sentinel.quorum"; the index counts
	// from 0. Empty when it is the whole file.
	Path string `json:"path"`
	// Line is the line in the file, from 1; 0 where there is no file.
	Line int `json:"line,omitempty"`
	// Message says what was found, why it stops, and what to do.
	Message string `json:"message"`
}

// String is the problem on one line.
func (p Problem) String() string {
	s := p.Message
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if p.Line > 0 {
		s = "line " + strconv.Itoa(p.Line) + ": " + s
	}
	return s
}
