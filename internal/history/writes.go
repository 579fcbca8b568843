package history

import (
	"maps"
	"slices"
	"time"
)

// countWrites counts the writes that ended in the window, and the longest time in it
// in which none was acknowledged.
func countWrites(g Group, w window, found *Found) {
	wanted := map[string]int{}
	for _, writer := range g.Writers {
		wanted[writer.Name] = writer.Wait
	}
	for _, write := range g.Writes {
		if !w.holds(write.End) {
			continue
		}
		switch {
		case write.Acknowledged():
			found.Acknowledged++
			if wanted[write.Writer] > 0 && write.Waited >= wanted[write.Writer] {
				found.Waited++
			}
		case write.Class == Credentials:
			found.Credentials++
			found.Failed++
		default:
			found.Failed++
		}
	}
	found.Gap = Gap(g, w.from, w.to)
}

// Gap is the longest time between from and to in which no client got a write
// acknowledged. The times from the last acknowledged write before from, and to the
// first one after to, count as far as they lie between.
func Gap(g Group, from, to time.Duration) time.Duration {
	if len(g.Writes) == 0 {
		return 0
	}
	var ends []time.Duration
	last := time.Duration(0) // when anything was recorded at all
	for _, write := range g.Writes {
		last = max(last, write.End)
		if write.Acknowledged() && write.End >= from && write.End < to {
			ends = append(ends, write.End)
		}
	}
	slices.Sort(ends)
	gap, before := time.Duration(0), from
	for _, end := range append(ends, min(to, last)) {
		gap, before = max(gap, end-before), max(before, end)
	}
	return gap
}

// lost are, for each window, the acknowledged writes that are first missed in it: a
// look in it, at any server, does not show them, though they were acknowledged
// before, and no earlier window missed them. So a write that was there once and is
// gone later is lost too, and counts once.
func lost(g Group, windows []window) []map[string][]Write {
	writes := acknowledgedOf(g)
	missed := map[string]map[int]bool{}
	all := make([]map[string][]Write, len(windows))
	for i, w := range windows {
		all[i] = map[string][]Write{}
		for _, k := range g.Kept {
			if !w.holds(k.Time) {
				continue
			}
			if missed[k.Writer] == nil {
				missed[k.Writer] = map[int]bool{}
			}
			for _, write := range k.missing(writes[k.Writer]) {
				if !missed[k.Writer][write.Seq] {
					missed[k.Writer][write.Seq] = true
					all[i][k.Writer] = append(all[i][k.Writer], write)
				}
			}
		}
	}
	return all
}

// countLost counts what was lost in the window.
func countLost(g Group, w window, lost map[string][]Write, found *Found) {
	for _, writer := range g.Writers {
		for _, write := range lost[writer.Name] {
			found.Lost++
			if writer.Wait > 0 && write.Waited >= writer.Wait {
				found.LostWaited++
			}
		}
	}
	for _, k := range g.Kept {
		if w.holds(k.Time) {
			found.Twice += len(k.Twice)
		}
	}
}

// missing are those of the writes, acknowledged before the look, that it does not
// show.
func (k Kept) missing(writes []Write) (missing []Write) {
	for _, w := range writes {
		if w.End <= k.Time && !k.has(w.Seq) {
			missing = append(missing, w)
		}
	}
	return missing
}

func (k Kept) has(seq int) bool {
	_, found := slices.BinarySearchFunc(k.Spans, seq, func(s Span, seq int) int {
		switch {
		case s[1] < seq:
			return -1
		case s[0] > seq:
			return 1
		}
		return 0
	})
	return found
}

// SpansOf makes spans of numbers in any order, and names those that are there twice.
func SpansOf(numbers []int) (spans []Span, twice []int) {
	numbers = slices.Sorted(slices.Values(numbers))
	for i, n := range numbers {
		switch {
		case i > 0 && numbers[i-1] == n:
			twice = append(twice, n)
		case i > 0 && numbers[i-1] == n-1:
			spans[len(spans)-1][1] = n
		default:
			spans = append(spans, Span{n, n})
		}
	}
	return spans, twice
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
