package specfile

import (
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/BurntSushi/toml"

	"github.com/redfleet/redfleet/internal/fleet"
)

// file is one TOML file that has been read as far as it could be.
type file struct {
	name string
	at   lines
	// problems are what the reading found; spoiled the paths whose value did not
	// get through, so that nothing more is to be said about them.
	problems []fleet.Problem
	spoiled  []string
}

// read decodes a file into the struct that into points to. A file that is no
// TOML at all, or cannot be opened, is an error; everything else is gathered.
func read(name string, into any) (*file, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	return parse(name, data, into)
}

func parse(name string, data []byte, into any) (*file, error) {
	tree := map[string]any{}
	if err := toml.Unmarshal(data, &tree); err != nil {
		return nil, syntaxError(name, err)
	}
	d := &decoder{root: reflect.TypeOf(into).Elem()}
	d.assign("", reflect.ValueOf(into).Elem(), tree)
	return &file{name: name, at: findLines(string(data)), problems: d.problems, spoiled: d.spoiled}, nil
}

// syntaxError: after the first fault in the syntax nothing can be known of the
// rest, so this one stands alone.
func syntaxError(name string, err error) error {
	problem := fleet.Problem{Message: "this is not valid TOML: " + err.Error()}
	var parse toml.ParseError
	if errors.As(err, &parse) {
		problem.Line = parse.Position.Line
		problem.Message = "this is not valid TOML: " + parse.Message
	}
	return &Error{File: name, Problems: []fleet.Problem{problem}}
}

// has tells whether the operator wrote the key down.
func (f *file) has(path string) bool { _, ok := f.at[path]; return ok }

// verdict joins what reading and checking found; nil when there is nothing.
func (f *file) verdict(checked []fleet.Problem) error {
	all := append(f.problems, without(checked, f.spoiled)...)
	if len(all) == 0 {
		return nil
	}
	return &Error{File: f.name, Problems: located(all, f.at)}
}
