package view

import (
	"strings"
	"unicode/utf8"
)

// Hint is a command to try next, with a few words on what it does.
type Hint struct{ Command, What string }

// Hints puts them under each other, without a line end after the last. Where a
// command and its words do not fit beside each other, the words stand above it:
// a line that the terminal breaks cannot be copied.
func Hints(list []Hint, s Style) string {
	width, words := 0, 0
	for _, h := range list {
		width = max(width, utf8.RuneCountInString(h.Command))
		words = max(words, utf8.RuneCountInString(h.What))
	}
	var b strings.Builder
	b.WriteString(s.dim("try next"))
	for _, h := range list {
		if beside := width + words + len("     # "); s.Width > 0 && beside > s.Width {
			b.WriteString("\n  " + s.dim("# "+h.What) + "\n  " + h.Command)
			continue
		}
		pad := strings.Repeat(" ", width-utf8.RuneCountInString(h.Command))
		b.WriteString("\n  " + h.Command + pad + "   " + s.dim("# "+h.What))
	}
	return b.String()
}

// Progress is one line about what is going on.
func Progress(text string, s Style) string { return s.dim("· " + text) }
