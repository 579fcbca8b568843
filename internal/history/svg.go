package history

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// The measures of a timeline, in pixels. It is cut into strips of stripTime each,
// one below the other, so that a fault's name fits above it.
const (
	stripTime  = time.Minute
	gutter     = 170
	plotWidth  = 1380
	laneHeight = 11
	laneGap    = 2
	clientRow  = 13
	groupGap   = 9
	faultRow   = 20
	axisRow    = 22
	stripGap   = 18
	headHeight = 96
	nameWidth  = 7 // of one letter of a fault's name, about
	// visibleGap is the shortest time without an acknowledged write that is drawn.
	visibleGap = 250 * time.Millisecond
)

// The colours, on a light ground. Each meaning has one, and the legend names it.
const (
	colourMaster   = "#1f5fbf"
	colourReplica  = "#a9cdf2"
	colourUnlinked = "#f2b134"
	colourLoading  = "#a884d6"
	colourSilent   = "#dcdcdc"
	colourWritten  = "#3a9d5d"
	colourGap      = "#d7263d"
	colourError    = "#7a1020"
	colourDual     = "#d7263d"
	colourFault    = "#f7c9a0"
	colourRecovery = "#fdf0dc"
	colourText     = "#222222"
	colourFaint    = "#777777"
)

// SVG draws the timeline of a history: a lane for each group's server with its role,
// a lane for each group's clients, and the faults as bands behind them.
func SVG(w io.Writer, h History, r Result) error {
	d := drawing{h: h, bad: violated(r)}
	strips := max(1, int((h.Length+stripTime-1)/stripTime))
	width, height := gutter+plotWidth+20, headHeight+strips*(d.stripHeight()+stripGap)
	d.put(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">`,
		width, height, width, height)
	d.put(`<rect width="%d" height="%d" fill="#ffffff"/>`, width, height)
	d.head(r)
	for i := range strips {
		d.strip(i, headHeight+i*(d.stripHeight()+stripGap))
	}
	d.put(`</svg>`)
	_, err := d.out.WriteTo(w)
	return err
}

// drawing is a timeline in the making.
type drawing struct {
	h   History
	bad map[int]bool // faults whose claims do not hold
	out bytes.Buffer
}

func (d *drawing) put(format string, args ...any) {
	fmt.Fprintf(&d.out, format+"\n", args...)
}

func (d *drawing) text(x, y, size int, colour, anchor, text string) {
	d.put(`<text x="%d" y="%d" font-size="%d" fill="%s" text-anchor="%s">%s</text>`, x, y, size, colour, anchor, escape(text))
}

// bar is a span of time in a lane; what it means is shown where the pointer is.
func (d *drawing) bar(s strip, from, to time.Duration, y, height int, colour, meaning string) {
	from, to = max(from, s.from), min(to, s.to)
	if from > to || (from == to && from == s.to) {
		return
	}
	x := s.x(from)
	d.put(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"><title>%s</title></rect>`, x, y, max(0.8, s.x(to)-x), height, colour, escape(meaning))
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}

// violated are the numbers of the faults whose claims do not hold.
func violated(r Result) map[int]bool {
	bad := map[int]bool{}
	for _, row := range r.Rows {
		if row.Fault != nil && len(row.violations()) > 0 {
			bad[row.Fault.Number] = true
		}
	}
	return bad
}

// head is the title, the sums and the legend.
func (d *drawing) head(r Result) {
	d.text(12, 26, 17, colourText, "start", d.h.Title)
	t := r.Total
	d.text(12, 47, 12, colourText, "start", fmt.Sprintf("faults: %d in %.0f s · %d writes acknowledged, %d lost (%d of those that all replicas had) · "+
		"longest without a master %.1f s · two masters at once for %d ms at most · %d violations (a fault with one has its name in red)",
		len(d.h.Faults), d.h.Length.Seconds(), t.Acknowledged, t.Lost, t.LostWaited, t.Gap.Seconds(), t.Dual.Milliseconds(), len(r.Violations)))
	x := 12
	for _, entry := range [][2]string{{colourMaster, "master"}, {colourReplica, "replica"}, {colourUnlinked, "replica without a link"},
		{colourLoading, "loads"}, {colourSilent, "does not answer"}, {colourWritten, "clients write"},
		{colourGap, "no write acknowledged for 250 ms; above a lane: two masters take writes"}, {colourError, "error at a client"},
		{colourFault, "fault"}, {colourRecovery, "until all is whole"}} {
		d.put(`<rect x="%d" y="62" width="14" height="11" fill="%s" stroke="#999999" stroke-width="0.5"/>`, x, entry[0])
		d.text(x+19, 72, 11, colourText, "start", entry[1])
		x += 19 + 6*len([]rune(entry[1])) + 18
	}
}
