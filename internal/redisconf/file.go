package redisconf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// File is a configuration file as an ordered list of lines. What was not
// changed is written back byte for byte: comments, blank lines, quoting, line
// ends. The zero File is empty and ready for use. It is not safe for
// concurrent use.
type File struct{ lines []line }

// line is one line with its line end. name is empty for comments and blanks.
type line struct {
	raw  string
	name string   // canonical, "sentinel monitor" for Sentinel's
	args []string // what follows the name
}

// Parse reads a file. It fails where the engine would refuse to start because
// of the grammar; the error names the line's number and never its content,
// which may be a password.
func Parse(data []byte) (*File, error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return nil, fmt.Errorf("line %d holds a NUL byte: the file is damaged, as after a power loss; restore it or remove it",
			1+bytes.Count(data[:i], []byte("\n")))
	}
	f := &File{}
	for number, rest := 1, string(data); rest != ""; number++ {
		end := strings.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		l, err := parseLine(rest[:end])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		f.lines = append(f.lines, l)
		rest = rest[end:]
	}
	return f, nil
}

func parseLine(raw string) (line, error) {
	text := strings.Trim(raw, " \t\r\n")
	if text == "" || text[0] == '#' {
		return line{raw: raw}, nil
	}
	args, err := Split(text)
	if err != nil || len(args) == 0 {
		return line{raw: raw}, err
	}
	l := line{raw: raw, name: Canonical(args[0]), args: args[1:]}
	if l.name == "sentinel" && len(l.args) > 0 {
		l.name = Canonical("sentinel " + l.args[0])
		l.args = l.args[1:]
	}
	return l, nil
}

// newLine writes a directive in the way of the engine.
func newLine(name string, args []string) line {
	name = Canonical(name)
	text := name // one or two plain words
	if len(args) > 0 {
		text += " " + Join(args...)
	}
	return line{raw: text + "\n", name: name, args: slices.Clone(args)}
}

// Bytes writes the file. For a file that was parsed and not changed these are
// the bytes that were read.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	for i, l := range f.lines {
		b.WriteString(l.raw)
		if i < len(f.lines)-1 && !strings.HasSuffix(l.raw, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// Empty tells whether the file holds no directive at all.
func (f *File) Empty() bool {
	return !slices.ContainsFunc(f.lines, func(l line) bool { return l.name != "" })
}

// Names are the canonical names of all directives, each once, in the order of
// their first line.
func (f *File) Names() []string {
	var names []string
	for _, l := range f.lines {
		if l.name != "" && !slices.Contains(names, l.name) {
			names = append(names, l.name)
		}
	}
	return names
}

// Directive is one line that says something.
type Directive struct {
	Name string // canonical
	Args []string
}

// Directives are all of them, in order.
func (f *File) Directives() []Directive {
	var out []Directive
	for _, l := range f.lines {
		if l.name != "" {
			out = append(out, Directive{l.name, slices.Clone(l.args)})
		}
	}
	return out
}

// Get gives the arguments of each line of a directive, in order. The name is
// taken as Canonical does; Sentinel's are "sentinel monitor" and so on.
func (f *File) Get(name string) [][]string {
	name = Canonical(name)
	var found [][]string
	for _, l := range f.lines {
		if l.name == name {
			found = append(found, slices.Clone(l.args))
		}
	}
	return found
}

// Set leaves exactly one line of a directive: the first one keeps its place,
// further ones go. A line that already says so stays as it is written.
func (f *File) Set(name string, args ...string) {
	f.replace(func(l line) bool { return l.name == Canonical(name) }, []line{newLine(name, args)})
}

// Add appends a line, for directives that may come several times.
func (f *File) Add(name string, args ...string) {
	f.lines = append(f.lines, newLine(name, args))
}

// Remove takes out all lines of a directive and says how many they were.
func (f *File) Remove(name string) int {
	before := len(f.lines)
	name = Canonical(name)
	f.lines = slices.DeleteFunc(f.lines, func(l line) bool { return l.name == name })
	return before - len(f.lines)
}

// replace puts lines in the place of all that match: each takes the place of
// one match, what is left over goes in after the last one, or at the end.
func (f *File) replace(match func(line) bool, with []line) {
	var out []line
	after := -1
	for _, l := range f.lines {
		if !match(l) {
			out = append(out, l)
			continue
		}
		if len(with) > 0 {
			if !l.equal(with[0]) {
				l = with[0]
			}
			out, with = append(out, l), with[1:]
			after = len(out)
		}
	}
	if after < 0 {
		after = len(out)
	}
	f.lines = slices.Insert(out, after, with...)
}

// equal compares what the engine reads, not how it is written.
func (l line) equal(other line) bool {
	return l.name == other.name && slices.Equal(l.args, other.args)
}
