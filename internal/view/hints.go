package view

import (
	"strings"
	"unicode/utf8"
)

// Hint is a command to try next, with a few words on what it does.
type Hint struct{ Command, What string }

// Hints puts them under each other, without a line end after the last.
func Hints(list []Hint, s Style) string {
	width := 0
	for _, h := range list {
		width = max(width, utf8.RuneCountInString(h.Command))
	}
	var b strings.Builder
	b.WriteString(s.dim("try next"))
	for _, h := range list {
		pad := strings.Repeat(" ", width-utf8.RuneCountInString(h.Command))
		b.WriteString("\n  " + h.Command + pad + "   " + s.dim("# "+h.What))
	}
	return b.String()
}

// Progress is one line about what is going on.
func Progress(text string, s Style) string { return s.dim("· " + text) }
