package drill

import "fmt"

// Switched is the document of `redfleet failover -o json`. Times are in milliseconds.
type Switched struct {
	Move
	// HeldMS is for how long writes were held.
	HeldMS int64 `json:"held_ms"`
	// WholeMS is from the begin until redfleet verify was good again; Why says what
	// was missing where that did not come in time.
	Whole   bool   `json:"whole"`
	WholeMS int64  `json:"whole_ms"`
	Why     string `json:"why"`
	// Warnings are what did not go well and loses no write.
	Warnings []string `json:"warnings"`
}

// Summary are the document's sentences for people.
func (s Switched) Summary() []string {
	if s.MasterAfter == s.MasterBefore && s.HeldMS == 0 {
		return []string{fmt.Sprintf("the master is on %s already; nothing was done", s.MasterBefore)}
	}
	if s.MasterAfter == s.MasterBefore {
		return []string{fmt.Sprintf("the master is on %s as before; writes were held for %d ms", s.MasterBefore, s.HeldMS)}
	}
	out := append([]string{fmt.Sprintf("the master was on %s and is on %s; writes were held for %d ms", s.MasterBefore, orNobody(s.MasterAfter), s.HeldMS)}, s.Warnings...)
	if s.Whole {
		return append(out, fmt.Sprintf("the group was whole again after %d ms", s.WholeMS))
	}
	return append(out, "the group is not whole: "+s.Why)
}
