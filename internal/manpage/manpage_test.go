package manpage

import (
	"strings"
	"testing"
	"time"
)

// What roff would take for its own comes out as text.
func TestTextStaysText(t *testing.T) {
	page := Page{
		Name: "redfleet-x", Summary: "do 'x' to a\nfile", Synopsis: []string{"redfleet x --all <name>"},
		Description: ".hidden and \\n\nsecond line\n\nnew paragraph",
		Sections:    []Section{{Title: "OPTIONS", Items: []Item{{"--all", "everything"}}}, {Title: "EMPTY"}},
		Examples:    "  redfleet x    # ~/.x", SeeAlso: []string{"redfleet", "redfleet-y"},
	}
	var b strings.Builder
	if err := page.Write(&b, time.Date(2026, 2, 3, 23, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	want := `.TH "REDFLEET\-X" 1 2026-02-03 redfleet "redfleet manual"
.nh
.ad l
.SH NAME
redfleet\-x \- do \(aqx\(aq to a file
.SH SYNOPSIS
.B redfleet x \-\-all <name>
.SH DESCRIPTION
\&.hidden and \en
.br
second line
.PP
new paragraph
.SH "OPTIONS"
.TP
.B \-\-all
everything
.SH EXAMPLES
.EX
  redfleet x    # \(ti/.x
.EE
.SH "SEE ALSO"
.BR redfleet (1),
.BR redfleet\-y (1)
`
	if b.String() != want {
		t.Errorf("the page is\n%s\nwant\n%s", b.String(), want)
	}
}
