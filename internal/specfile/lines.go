package specfile

import (
	"strconv"
	"strings"
)

// lines tells on which line of a TOML file each key stands, by its path as in
// group[1].sentinel.quorum. The toml library knows lines only by the key's name
// without its index, so for a second [[group]] it could not say.
type lines map[string]int

// of is the line of a path, or of the nearest table around it that is written
// down; 0 when there is none.
func (l lines) of(path string) int {
	for path != "" {
		if n, ok := l[path]; ok {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 0
}

// child is the path of a key in a table; the empty key is written as TOML does.
func child(path, key string) string {
	if key == "" {
		key = `""`
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// element is the path of an entry of a list, counted from 0.
func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// findLines reads the keys of a file that the toml library has accepted. On any
// other text it ends too, with lines that mean nothing.
func findLines(src string) lines {
	s := &lineScanner{src: strings.TrimPrefix(src, "\ufeff"), line: 1, found: lines{}, tables: map[string]int{}}
	prefix := ""
	for {
		s.skipBlank()
		if s.peek() == 0 {
			return s.found
		}
		if s.peek() == '[' {
			prefix = s.header()
			continue
		}
		s.keyValue(prefix)
	}
}

type lineScanner struct {
	src       string
	pos, line int
	found     lines
	// tables counts the entries of each [[list of tables]].
	tables map[string]int
}

func (s *lineScanner) peek() byte {
	if s.pos >= len(s.src) {
		return 0
	}
	return s.src[s.pos]
}

func (s *lineScanner) next() byte {
	c := s.peek()
	if c == '\n' {
		s.line++
	}
	if s.pos < len(s.src) {
		s.pos++
	}
	return c
}

// skipBlank passes over white space, line ends and comments.
func (s *lineScanner) skipBlank() {
	for s.pos < len(s.src) {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.next()
		case '#':
			s.skipUntil("\n")
		default:
			return
		}
	}
}

// skipUntil stops before the first of the given characters.
func (s *lineScanner) skipUntil(stop string) {
	for s.pos < len(s.src) && strings.IndexByte(stop, s.peek()) < 0 {
		s.next()
	}
}

func (s *lineScanner) note(path string) {
	if _, ok := s.found[path]; !ok {
		s.found[path] = s.line
	}
}

// header reads [a.b] or [[a.b]] and gives the path of the table it opens.
func (s *lineScanner) header() string {
	s.next()
	list := s.peek() == '['
	if list {
		s.next()
	}
	path := ""
	keys := s.keys()
	for i, key := range keys {
		path = child(path, key)
		s.note(path)
		last := i == len(keys)-1
		if last && list {
			s.tables[path]++
		}
		if n := s.tables[path]; n > 0 {
			path = element(path, n-1)
			s.note(path)
		}
	}
	s.skipUntil("\n")
	return path
}

// keyValue reads key = value under a table's path.
func (s *lineScanner) keyValue(prefix string) {
	start := s.pos
	path := prefix
	for _, key := range s.keys() {
		path = child(path, key)
		s.note(path)
	}
	s.skipUntil("=\n")
	if s.peek() == '=' {
		s.next()
		s.value(path)
	}
	if s.pos == start {
		s.next() // no TOML; go on so that the scan ends
	}
}

// keys reads a key, dotted or not, with or without quotes.
func (s *lineScanner) keys() []string {
	var keys []string
	for {
		s.skipUntilNot(" \t")
		switch start := s.pos; s.peek() {
		case '"':
			s.skipString()
			key, err := strconv.Unquote(s.src[start:s.pos])
			if err != nil {
				key = s.src[start:s.pos]
			}
			keys = append(keys, key)
		case '\'':
			s.skipString()
			keys = append(keys, strings.Trim(s.src[start:s.pos], "'"))
		default:
			s.skipUntil(" \t.=]#\r\n")
			keys = append(keys, s.src[start:s.pos])
		}
		s.skipUntilNot(" \t")
		if s.peek() != '.' {
			return keys
		}
		s.next()
	}
}

func (s *lineScanner) skipUntilNot(pass string) {
	for s.pos < len(s.src) && strings.IndexByte(pass, s.peek()) >= 0 {
		s.next()
	}
}

func (s *lineScanner) value(path string) {
	s.skipUntilNot(" \t")
	switch s.peek() {
	case '"', '\'':
		s.skipString()
	case '[':
		s.next()
		for i := 0; s.more(']'); i++ {
			at, start := element(path, i), s.pos
			s.note(at)
			s.value(at)
			if s.pos == start {
				s.next() // no TOML; go on so that the scan ends
			}
		}
	case '{':
		s.next()
		for s.more('}') {
			s.keyValue(path)
		}
	default:
		s.skipUntil(",]}#\n")
	}
}

// more passes over what stands between two entries of a list or an inline
// table, and tells whether another entry follows.
func (s *lineScanner) more(end byte) bool {
	for {
		s.skipBlank()
		switch s.peek() {
		case 0:
			return false
		case end:
			s.next()
			return false
		case ',':
			s.next()
		default:
			return true
		}
	}
}

// skipString passes over a string of any of TOML's four kinds.
func (s *lineScanner) skipString() {
	quote := s.src[s.pos : s.pos+1]
	if long := strings.Repeat(quote, 3); strings.HasPrefix(s.src[s.pos:], long) {
		quote = long
	}
	for range quote {
		s.next()
	}
	for s.pos < len(s.src) {
		if strings.HasPrefix(s.src[s.pos:], quote) {
			break
		}
		if s.next() == '\\' && quote[0] == '"' {
			s.next()
		}
	}
	for range quote {
		s.next()
	}
	// A long string may end in up to two quotes of its own.
	for len(quote) == 3 && s.peek() == quote[0] {
		s.next()
	}
}
