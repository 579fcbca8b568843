package history

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestSVG: the timeline is well-formed, has each lane, fault and gap, and shows two
// masters where there are two.
func TestSVG(t *testing.T) {
	h := sound()
	h.Length = 150 * time.Second // three strips
	h.Title = `a <title> & "more"`
	if strings.Contains(draw(t, *h), "while another does") {
		t.Error("two masters are drawn where there was one")
	}
	h.Groups[0].Probes[2] = Probe{Node: "n1", From: 13 * time.Second, To: 14 * time.Second}
	text := draw(t, *h)
	for _, want := range []string{"a &lt;title&gt; &amp;", "1 kill", "n1 of main is master", "n2 of main is replica", "takes writes while another does, for 1000 ms",
		"no write was acknowledged for 2.10 s", "refused at 10.", ">0:05<", ">2:30<", "until all is whole", "1 violations"} {
		if !strings.Contains(text, want) {
			t.Errorf("the timeline has no %q", want)
		}
	}
}

func draw(t *testing.T, h History) string {
	t.Helper()
	var out bytes.Buffer
	if err := SVG(&out, h, Check(h)); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for d := xml.NewDecoder(&out); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text
		}
		if err != nil {
			t.Fatalf("the timeline is not well-formed: %v", err)
		}
	}
}
