// Package manpage writes manual pages in the man(7) macros. It knows nothing of
// commands: who has them describes them as a Page.
//
// cobra's own generator reads help texts as Markdown, and so loses what stands
// in <angle brackets> and takes a line break for a blank; here text is text.
package manpage

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Page is one manual page of section 1.
type Page struct {
	// Name is the page's, as in `man NAME`: redfleet-lab-up.
	Name string
	// Summary is one line without a period at its end.
	Summary string
	// Synopsis are the ways to call the command, each on a line of its own.
	Synopsis []string
	// Description is plain text; an empty line ends a paragraph, and other line
	// breaks stay.
	Description string
	// Sections come after the description, in this order; one without items is
	// left out.
	Sections []Section
	// Examples is shown as it is.
	Examples string
	// SeeAlso are names of other pages of section 1.
	SeeAlso []string
}

// Section is a titled list: options, or commands.
type Section struct {
	Title string
	Items []Item
}

// Item is a term and what it means.
type Item struct {
	Term, Text string
}

// Write writes the page. The date stands in its footer, so equal pages of equal
// dates are equal bytes.
func (p Page) Write(w io.Writer, date time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 %s redfleet \"redfleet manual\"\n.nh\n.ad l\n", quote(strings.ToUpper(p.Name)), date.UTC().Format(time.DateOnly))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(p.Name), escape(p.Summary))
	b.WriteString(".SH SYNOPSIS\n")
	for i, line := range p.Synopsis {
		if i > 0 {
			b.WriteString(".br\n")
		}
		fmt.Fprintf(&b, ".B %s\n", escape(line))
	}
	b.WriteString(".SH DESCRIPTION\n")
	paragraphs(&b, p.Description)
	for _, s := range p.Sections {
		if len(s.Items) == 0 {
			continue
		}
		fmt.Fprintf(&b, ".SH %s\n", quote(s.Title))
		for _, item := range s.Items {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", escape(item.Term), escape(item.Text))
		}
	}
	if p.Examples != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.EX\n%s\n.EE\n", escapeLines(p.Examples))
	}
	if len(p.SeeAlso) > 0 {
		b.WriteString(".SH \"SEE ALSO\"\n")
		for i, name := range p.SeeAlso {
			fmt.Fprintf(&b, ".BR %s (1)%s\n", escape(name), map[bool]string{true: ",", false: ""}[i < len(p.SeeAlso)-1])
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// paragraphs keeps the line breaks of the text: help texts hold small lists, one
// entry per line.
func paragraphs(b *strings.Builder, text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(strings.ReplaceAll(escapeLines(paragraph), "\n", "\n.br\n"))
		b.WriteString("\n")
	}
}

// escapes are what roff would read as its own. A hyphen that is not escaped
// becomes a typographic one, which nobody can paste into a shell.
var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "^", `\(ha`, "~", `\(ti`, "\t", "        ", "`", `\(ga`, "'", `\(aq`)

// escape makes one line out of the text.
func escape(text string) string {
	return guard(escapes.Replace(strings.ReplaceAll(strings.TrimSpace(text), "\n", " ")))
}

func escapeLines(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = guard(escapes.Replace(strings.TrimRight(line, " ")))
	}
	return strings.Join(lines, "\n")
}

// guard keeps a line that begins with a period from being a request.
func guard(line string) string {
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

// quote makes one argument of a request out of the text.
func quote(text string) string {
	return `"` + strings.ReplaceAll(escape(text), `"`, `\(dq`) + `"`
}
