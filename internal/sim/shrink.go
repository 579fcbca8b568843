package sim

import (
	"slices"
	"time"
)

// Shrink looks for a smaller schedule that still breaks a promise: without this
// event and that one, and with shorter ones. fails tells whether a schedule does.
func Shrink(s Schedule, fails func(Schedule) bool) Schedule {
	for again := true; again; {
		again = false
		for i := len(s.Events) - 1; i >= 0; i-- {
			fewer := s
			fewer.Events = slices.Delete(slices.Clone(s.Events), i, i+1)
			if fails(fewer) {
				s, again = fewer, true
			}
		}
	}
	for i, e := range s.Events {
		if e.For <= time.Second {
			continue
		}
		shorter := s
		shorter.Events = slices.Clone(s.Events)
		shorter.Events[i].For = (e.For / 2).Truncate(time.Millisecond)
		if fails(shorter) {
			s = shorter
		}
	}
	return s
}
