package assess

import (
	"fmt"
	"strings"
	"time"
)

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// span is a length of time for people.
func span(d time.Duration) string { return d.Round(time.Second).String() }

func ago(d time.Duration) string { return span(d) + " old" }

// list joins names as in a sentence: "n1, n2 and n3".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func nodesOf(members []*member) []string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.node
	}
	return out
}
