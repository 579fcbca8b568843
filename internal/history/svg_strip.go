package history

import (
	"fmt"
	"slices"
	"time"
)

// strip is one part of a timeline, from the left end to the right end.
type strip struct{ from, to time.Duration }

func (s strip) x(t time.Duration) float64 {
	return gutter + plotWidth*float64(t-s.from)/float64(s.to-s.from)
}

func groupHeight(nodes int) int { return nodes*(laneHeight+laneGap) + clientRow + groupGap }

func (d *drawing) stripHeight() int {
	return faultRow + len(d.h.Groups)*groupHeight(len(d.h.Nodes)) + axisRow
}

// strip draws one strip with its upper end at top.
func (d *drawing) strip(i, top int) {
	s := strip{from: time.Duration(i) * stripTime, to: time.Duration(i+1) * stripTime}
	d.faultBands(s, top)
	y := top + faultRow
	for _, g := range d.h.Groups {
		d.group(s, g, y)
		y += groupHeight(len(d.h.Nodes))
	}
	for at := s.from; at <= s.to; at += 5 * time.Second {
		x := int(s.x(at))
		d.put(`<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#bbbbbb" stroke-width="1"/>`, x, y, x, y+4)
		d.text(x, y+16, 10, colourFaint, "middle", fmt.Sprintf("%d:%02d", int(at.Minutes()), int(at.Seconds())%60))
	}
}

// faultBands are behind everything else; names that do not fit are cut, and whole
// where the pointer is.
func (d *drawing) faultBands(s strip, top int) {
	height := d.stripHeight() - axisRow
	for i, f := range d.h.Faults {
		end := d.h.Length
		if f.Whole > 0 {
			end = f.Whole
		}
		if end < s.from || f.Start > s.to {
			continue
		}
		name := fmt.Sprintf("%d %s", f.Number, f.Kind)
		meaning := fmt.Sprintf("%s, %s: %.1f s, whole after %.1f s", name, f.Target, (f.Healed - f.Start).Seconds(), (end - f.Start).Seconds())
		d.bar(s, f.Healed, end, top, height, colourRecovery, meaning)
		d.bar(s, f.Start, max(f.Healed, f.Start+50*time.Millisecond), top, height, colourFault, meaning)
		next := s.to
		if i+1 < len(d.h.Faults) {
			next = min(next, d.h.Faults[i+1].Start)
		}
		from := max(f.Start, s.from)
		room := int(s.x(next)-s.x(from)) / nameWidth
		if f.Start < s.from {
			name = "… " + name
		}
		if letters := []rune(name); len(letters) > room && room > 2 {
			name = string(letters[:room-1]) + "…"
		} else if room <= 2 {
			name = fmt.Sprint(f.Number)
		}
		colour := colourText
		if d.bad[f.Number] {
			colour = colourGap
		}
		d.put(`<text x="%.1f" y="%d" font-size="11" font-weight="bold" fill="%s"><title>%s</title>%s</text>`, s.x(from)+2, top+14, colour, escape(meaning), escape(name))
	}
}

func colourOf(role string) string {
	switch role {
	case RoleMaster:
		return colourMaster
	case RoleReplica:
		return colourReplica
	case RoleUnlinked:
		return colourUnlinked
	case RoleLoading:
		return colourLoading
	}
	return colourSilent
}

// group draws the lanes of one group.
func (d *drawing) group(s strip, g Group, top int) {
	d.text(12, top+10, 12, colourText, "start", g.Name)
	duals := dualSpans(g.Probes)
	for i, node := range d.h.Nodes {
		y := top + i*(laneHeight+laneGap)
		d.text(gutter-8, y+9, 10, colourText, "end", node)
		for _, r := range g.Roles {
			if r.Node == node {
				d.bar(s, r.From, r.To, y, laneHeight, colourOf(r.Role), fmt.Sprintf("%s of %s is %s, %.2f to %.2f s", node, g.Name, r.Role, r.From.Seconds(), r.To.Seconds()))
			}
		}
		for _, dual := range duals {
			if dual.Node == node {
				d.bar(s, dual.From, dual.To, y-1, 4, colourDual, fmt.Sprintf("takes writes while another does, for %d ms", (dual.To-dual.From).Milliseconds()))
			}
		}
	}
	y := top + len(d.h.Nodes)*(laneHeight+laneGap)
	d.text(gutter-8, y+10, 10, colourText, "end", "clients")
	d.clients(s, g, y)
}

// dualSpans are the times at which a server took writes while another did.
func dualSpans(probes []Probe) (spans []Probe) {
	for i, a := range probes {
		for j, b := range probes {
			if i != j && a.Node != b.Node && a.Accepted() && b.Accepted() && overlap(a.From, a.To, b.From, b.To) > 0 {
				spans = append(spans, Probe{Node: a.Node, From: max(a.From, b.From), To: min(a.To, b.To)})
			}
		}
	}
	return spans
}

// clients is the lane of the writers: green where writes were acknowledged, red where
// none was for a while, and a mark for each error.
func (d *drawing) clients(s strip, g Group, y int) {
	var ends []time.Duration
	for _, w := range g.Writes {
		if w.Acknowledged() {
			ends = append(ends, w.End)
		}
	}
	slices.Sort(ends)
	ends = append(ends, d.h.Length)
	from, before := time.Duration(0), time.Duration(0)
	for _, end := range ends {
		if end-before >= visibleGap {
			d.bar(s, from, before, y+3, clientRow-5, colourWritten, "writes were acknowledged")
			d.bar(s, before, end, y+3, clientRow-5, colourGap, fmt.Sprintf("no write was acknowledged for %.2f s", (end-before).Seconds()))
			from = end
		}
		before = end
	}
	d.bar(s, from, before, y+3, clientRow-5, colourWritten, "writes were acknowledged")
	last := -1.0
	for _, w := range g.Writes {
		if w.Acknowledged() || w.End < s.from || w.End >= s.to {
			continue
		}
		if x := s.x(w.End); x-last >= 2 { // one mark is enough for many
			d.put(`<rect x="%.1f" y="%d" width="1" height="4" fill="%s"><title>%s at %.2f s</title></rect>`, x, y, colourError, escape(string(w.Class)), w.End.Seconds())
			last = x
		}
	}
}
